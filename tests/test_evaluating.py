"""`lmf_sr.evaluate` finds what the verb finds."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run

import lmf_sr
from lmf_sr.data import Embedded
from lmf_sr.errors import InputError
from lmf_sr.images import Picture, write_picture
from lmf_sr.results.records import read_record


def test_a_folder_at_several_scales(run: Run, tmp_path: Path, checkpoint: Path) -> None:
    for name in ("a", "b"):
        write_picture(tmp_path / "photos" / f"{name}.png", Picture(torch.rand(3, 48, 60)))
    settings = ("data=pictures", "data.root=photos", "scale=[2,2.7]", "device=cpu", "hydra.run.dir=mine")
    assert run("evaluate", f"ckpt={checkpoint}", *settings).status == 0
    (expected,) = read_record(tmp_path / "mine" / "result.json").results.values()
    assert lmf_sr.evaluate(checkpoint, "photos", [2, 2.7], device="cpu") == expected
    assert lmf_sr.evaluate(lmf_sr.load(checkpoint), "photos", 2.7) == expected[1:]


def test_the_baseline_on_the_embedded_photographs() -> None:
    (result,) = lmf_sr.evaluate("bicubic", Embedded(window=48), 4, protocol="benchmark")
    assert (result.scale, result.protocol, result.set) == (4.0, "benchmark", "embedded-48")
    assert 15 < result.metrics["psnr"] < 50


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"scale": 0.5}, "scale 0.5 makes no picture larger"),
        ({"scale": []}, "makes no picture larger"),
        ({"protocol": "mine"}, "there is no protocol 'mine'; choose one of div2k, benchmark, benchmark-rgb"),
        ({"model": "missing.ckpt"}, "there is no checkpoint file 'missing.ckpt'"),
        ({"images": "nowhere"}, "no image folder nowhere"),
    ],
)
def test_bad_input_is_one_sentence(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        lmf_sr.evaluate(**{"model": "bicubic"} | arguments)
