"""The photographs that ship in the scikit-image wheel."""

import socket

import pytest
import torch

from lmf_sr.images import HELD_OUT, TRAIN, embedded_photographs


def test_read_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    photographs = embedded_photographs()
    assert tuple(photographs) == TRAIN + HELD_OUT
    assert {name: tuple(image.shape[1:]) for name, image in photographs.items()} == {
        "motorcycle_left": (500, 741),
        "motorcycle_right": (500, 741),
        "hubble_deep_field": (872, 1000),
        "ihc": (512, 512),
        "rocket": (427, 640),
        "chelsea": (300, 451),
        "astronaut": (512, 512),
        "coffee": (400, 600),
    }


def test_are_colour_photographs() -> None:
    for image in embedded_photographs().values():
        assert image.dtype == torch.uint8
        assert image.float().std() > 20
        assert (image[0] != image[2]).any()


def test_held_out_photographs_are_unseen() -> None:
    assert len(HELD_OUT) >= 2
    assert not set(HELD_OUT) & set(TRAIN)
    assert {name.split("_")[0] for name in HELD_OUT}.isdisjoint(name.split("_")[0] for name in TRAIN)  # nor their twins


def test_by_name() -> None:
    assert list(embedded_photographs(HELD_OUT)) == list(HELD_OUT)
