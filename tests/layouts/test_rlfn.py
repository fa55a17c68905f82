"""RLFN's layout: recognised by its names, refused where a name is not RLFN's; its numbers are tested with the encoder."""

from pathlib import Path

import pytest
import torch

from lmf_sr.errors import InputError
from lmf_sr.layouts.rlfn import from_rlfn, is_rlfn


def weights() -> dict[str, torch.Tensor]:
    """One block of 4 channels, in the authors' layout."""
    sizes = {"conv_1": (4, 3, 3, 3), "conv_2": (4, 4, 3, 3), "upsampler.0": (12, 4, 3, 3), "block_1.c5": (4, 4, 1, 1)}
    sizes |= {f"block_1.{name}": (4, 4, 3, 3) for name in ("c1_r", "c2_r", "c3_r")}
    sizes |= {
        "block_1.esa.conv1": (16, 4, 1, 1),
        "block_1.esa.conv4": (4, 16, 1, 1),
        "block_1.esa.conv_f": (16, 16, 1, 1),
    }
    sizes |= {f"block_1.esa.{name}": (16, 16, 3, 3) for name in ("conv2", "conv3")}
    made = {f"{name}.weight": torch.rand(size) for name, size in sizes.items()}
    return made | {f"{name}.bias": torch.rand(size[0]) for name, size in sizes.items()}


def test_it_is_recognised_by_its_names() -> None:
    assert is_rlfn(weights())
    assert not is_rlfn({"model": {}})
    assert not is_rlfn([1, 2])


def test_the_sizes_follow_from_the_weights_and_the_upsampler_is_left_out() -> None:
    config, ours = from_rlfn(weights(), Path("rlfn.pth"))
    assert config == {"encoder": {"name": "rlfn", "n_blocks": 1, "n_feats": 4, "esa": True}}
    assert len(ours) == len(weights()) - 2
    assert all(name.startswith("encoder.") for name in ours)


def test_a_name_that_is_not_rlfns_is_named() -> None:
    with pytest.raises(
        InputError, match=r"rlfn\.pth looks like RLFN's weights, but RLFN has no 'block_1\.extra\.weight'"
    ):
        from_rlfn(weights() | {"block_1.extra.weight": torch.zeros(1)}, Path("rlfn.pth"))
