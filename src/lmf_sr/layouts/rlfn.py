"""The layout of RLFN's repository: the weights of RLFN-S, with its upsampler, under `conv_1`, `block_1` and so on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lmf_sr.errors import InputError

HALF_RANGE = 127.5  # the authors' network reads pixels of 0 .. 255; x in [-1, 1] stands for 127.5 (x + 1)
UNIT = 32.0  # the authors' activations are divided by it, which brings a photograph's features to about 1

_NAMES = {"conv_1": "head", "conv_2": "tail"}
_IN_BLOCKS = {
    "c1_r": "c1",
    "c2_r": "c2",
    "c3_r": "c3",
    "c5": "c5",
    "esa.conv1": "esa.reduce",
    "esa.conv2": "esa.stride",
    "esa.conv3": "esa.coarse",
    "esa.conv_f": "esa.skip",
    "esa.conv4": "esa.expand",
}
_UPSAMPLER = "upsampler."


def is_rlfn(content: Any) -> bool:
    """Whether a file's content is in this layout."""
    return isinstance(content, Mapping) and {"conv_1.weight", "conv_2.weight", "block_1.c1_r.weight"} <= content.keys()


def from_rlfn(content: Mapping[str, Tensor], path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and weights of an encoder alone, in our names. The upsampler is left out.

    The authors' network reads pixels of 0 .. 255. Here x is in [-1, 1], and activations are the authors' divided by UNIT,
    which leaky ReLU allows because it scales with its input: biases are divided, and each mask's first layer is multiplied.
    One difference stays. The authors pad with black, while zero padding of x is grey, so features at the border differ.

    Raises:
        InputError: weights that RLFN does not have.
    """
    weights: dict[str, Tensor] = {}
    for theirs, value in content.items():
        if not theirs.startswith(_UPSAMPLER):
            name = _renamed(theirs)
            if name is None:
                raise InputError(f"{path} looks like RLFN's weights, but RLFN has no {theirs!r}")
            weights[f"encoder.{name}"] = value.float()
    for name in weights:
        if name.endswith("bias") and ".esa." not in name:
            weights[name] = weights[name] / UNIT
        elif name.endswith("esa.reduce.weight"):
            weights[name] = weights[name] * UNIT
    weights["encoder.head.weight"] = weights["encoder.head.weight"] * (HALF_RANGE / UNIT)
    weights["encoder.head.bias"] = weights["encoder.head.bias"] + weights["encoder.head.weight"].sum((1, 2, 3))
    n_blocks = len({name.split(".")[2] for name in weights if ".blocks." in name})
    encoder = {"name": "rlfn", "n_blocks": n_blocks, "n_feats": len(weights["encoder.head.bias"]), "esa": True}
    return {"encoder": encoder}, weights


def _renamed(theirs: str) -> str | None:
    """The name here of a tensor of the authors' network; None where there is none."""
    first, _, rest = theirs.partition(".")
    if first in _NAMES:
        return f"{_NAMES[first]}.{rest}"
    layer, _, kind = rest.rpartition(".")
    number = first.removeprefix("block_")
    if number.isdigit() and layer in _IN_BLOCKS:
        return f"blocks.{int(number) - 1}.{_IN_BLOCKS[layer]}.{kind}"
    return None
