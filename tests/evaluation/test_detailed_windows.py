"""Crops show the same, most detailed window of every rendering."""

import torch

from lmf_sr.data import PairedImages
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.detailed_windows import detailed_crops, most_detailed


def test_the_most_detailed_window() -> None:
    picture = torch.zeros(3, 40, 60)
    picture[:, 20:30, 40:50] = torch.rand(3, 10, 10)
    top, left, height, width = most_detailed(picture, 12)
    assert 18 <= round(top * 40) <= 20
    assert 38 <= round(left * 60) <= 40
    assert (round(height * 40), round(width * 60)) == (12, 12)


def test_every_model_and_the_picture_itself_by_the_same_window() -> None:
    picture = torch.zeros(3, 40, 60, dtype=torch.uint8)
    picture[:, 20:32, 40:52] = torch.randint(256, (3, 12, 12), dtype=torch.uint8)
    tiny = torch.zeros(3, 1, 1, dtype=torch.uint8)
    images = PairedImages("set", {"too small": tiny, "a": picture, "b": picture})
    ((name, crops),) = detailed_crops({"bicubic": Bicubic()}, images, 2, 2.0, 16)
    assert name == "a x2"
    assert {label: tuple(crop.shape) for label, crop in crops.items()} == {
        "LR": (3, 8, 8),
        "bicubic": (3, 16, 16),
        "HR": (3, 16, 16),
    }
