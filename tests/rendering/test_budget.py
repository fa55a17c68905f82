"""The memory budget: what a user's size of memory becomes, and how many positions and queries fit into it."""

from dataclasses import astuple

import pytest
import torch

from lmf_sr.encoders.edsr import EDSR
from lmf_sr.encoders.rdn import RDN
from lmf_sr.errors import InputError
from lmf_sr.rendering.budget import DEFAULT, LARGEST_TILE, LEAST, Budget

GB = 2**30


def test_less_memory_makes_every_step_smaller() -> None:
    small, middle = Budget.from_memory(GB), Budget.from_memory(2 * GB)
    for name in ("tile", "features", "states", "reused", "band"):
        assert 0 < getattr(small, name) < getattr(middle, name), name
    held_at_once = small.tile + small.features + small.states + small.reused + small.band
    assert held_at_once < GB


def test_more_memory_goes_to_the_features_of_a_stream() -> None:
    large = Budget.from_memory(200 * GB)
    assert large.features > 50 * DEFAULT.features
    assert (large.states, large.reused, large.band) == (DEFAULT.states, DEFAULT.reused, DEFAULT.band)


def test_what_is_fitted_to_caches_stays() -> None:
    assert astuple(Budget.from_memory(GB))[5:] == astuple(DEFAULT)[5:]


@pytest.mark.parametrize(
    ("text", "memory"), [("800MB", 800 * 2**20), ("4GB", 4 * GB), ("1.5 g", GB * 3 // 2), ("2GiB", 2 * GB)]
)
def test_sizes_as_people_write_them(text: str, memory: int) -> None:
    assert Budget.parse(text) == Budget.from_memory(memory)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("much", "'much' is no size of memory: it must be like 800MB or 4GB"),
        ("4", "'4' is no size of memory"),
        ("-1GB", "no size of memory"),
        ("100MB", "100 MB of memory are too little: .* give at least 600 MB"),
    ],
)
def test_sizes_that_are_of_no_use(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Budget.parse(text)


def test_an_encoder_that_takes_more_gets_smaller_tiles() -> None:
    """The default budget gives both the largest tile, which two images share."""
    edsr, rdn = EDSR(), RDN()
    assert DEFAULT.tile_positions(edsr, 1) == DEFAULT.tile_positions(rdn, 1) == LARGEST_TILE
    assert DEFAULT.tile_positions(edsr, 2) == LARGEST_TILE // 2
    small = Budget.from_memory(LEAST)
    assert small.tile_positions(rdn, 1) < small.tile_positions(edsr, 1) < LARGEST_TILE
    assert small.tile_positions(rdn, 1) * rdn.activation_bytes <= small.tile


def test_half_precision_halves_what_is_held() -> None:
    encoder, lr = EDSR(n_feats=64), torch.zeros(1, 3, 2, 2)
    assert DEFAULT.stream_positions(encoder, lr) == 2**20
    assert DEFAULT.stream_positions(encoder, lr.half()) == 2**21
    assert DEFAULT.queries(lr) == 2048
    assert DEFAULT.queries(lr.expand(3, -1, -1, -1)) == 682
