"""Scale2Mod tables: what they say at any scale, files, and whose they are."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.cmsr.files import authors_file
from lmf_sr.cmsr.plan import Level
from lmf_sr.cmsr.table import Scale2Mod, fingerprint
from lmf_sr.errors import InputError

TABLE = Scale2Mod.from_limits(
    {6: {1: 0.32, 2: 0.41, 4: 0.55, 6: 1}, 12: {1: 0.3, 4: 0.5, 6: 1}, 18: {2: 0.4, 16: 0.48}}
)
TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 4}


def test_levels_of_a_tabulated_target() -> None:
    assert TABLE.levels(6.0) == (Level(1, 0.32), Level(2, 0.41), Level(4, 0.55), Level(6, math.inf))


def test_a_coarse_level_without_limit_ends_the_levels() -> None:
    """The authors' x12 ends at x6, because finer levels are not worth it anywhere."""
    assert TABLE.levels(12.0)[-1] == Level(6, math.inf)


def test_a_row_that_ends_with_a_limit_is_continued_by_the_target() -> None:
    assert TABLE.levels(18.0) == (Level(2, 0.4), Level(16, 0.48), Level(18, math.inf))


def test_between_two_targets_the_finer_is_taken() -> None:
    assert TABLE.levels(6.5) == TABLE.levels(12.0)
    assert TABLE.levels(5.0) == (Level(1, 0.32), Level(2, 0.41), Level(4, 0.55), Level(5, math.inf))


def test_above_the_last_target_the_last_is_taken() -> None:
    assert TABLE.levels(30.0) == (Level(2, 0.4), Level(16, 0.48), Level(30, math.inf))
    alone = Scale2Mod.from_limits({6: {2: 0.4, 6: 1}})
    assert alone.levels(8.0) == (Level(2, 0.4), Level(8, math.inf))


@pytest.mark.parametrize("scale", [1.0, 2.5, 4.0])
def test_within_the_training_scales_all_is_rendered_in_full(scale: float) -> None:
    assert Scale2Mod.from_limits({2: {1: 0.3, 2: 1}, 6: {2: 0.4, 6: 1}}).levels(scale) == (Level(scale, math.inf),)


def test_rounding_of_a_scale_does_not_change_its_row() -> None:
    assert [level.scale for level in TABLE.levels(6 + 1e-9)][:-1] == [1, 2, 4]
    assert [level.scale for level in TABLE.levels(6 - 1e-9)][:-1] == [1, 2, 4]


@given(scale=st.floats(1, 40))
def test_levels_are_sound_at_any_scale(scale: float) -> None:
    levels = TABLE.levels(scale)
    scales, limits = zip(*levels, strict=True)
    assert list(scales) == sorted(set(scales))
    assert list(limits) == sorted(limits)
    assert scales[-1] <= scale
    assert limits[-1] == math.inf


def test_intensities_above_1(tmp_path: Path) -> None:
    """A limit of 1 means no limit for the last level only."""
    table = Scale2Mod.from_limits({8: {1: 0.9, 2: 1.5, 4: 2.5, 8: 1}})
    assert table.levels(8.0) == (Level(1, 0.9), Level(2, 1.5), Level(4, 2.5), Level(8, math.inf))
    table.save(tmp_path / "table.yaml")
    assert Scale2Mod.load(tmp_path / "table.yaml") == table


@pytest.mark.parametrize("name", ["table.yaml", "table.json"])
def test_a_table_survives_its_file(tmp_path: Path, name: str) -> None:
    table = Scale2Mod.from_limits(
        {6: {1: 0.32, 1.5: 0.4}, 7.5: {4: 0.5, 6: 1}},
        mse_threshold=1e-6,
        aggregation="overall",
        images=24,
        fingerprint="0123456789abcdef",
        model="edsr-baseline-lm-liif",
        chained=False,
    )
    table.save(tmp_path / name)
    assert Scale2Mod.load(tmp_path / name) == table


def test_a_table_serves_the_weights_it_was_made_for_only() -> None:
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, "lm-liif")
    table = Scale2Mod.from_limits({6: {2: 0.4, 6: 1}}, fingerprint=fingerprint(model), model="mine")
    assert table.bound_to(model).table == table
    with torch.no_grad():
        next(model.decoder.parameters())[0] += 1e-6
    with pytest.raises(InputError, match=r"made for weights [0-9a-f]{16} \(mine\), but the model's are [0-9a-f]{16}"):
        table.bound_to(model)
    Scale2Mod.load(authors_file("lm-liif")).bound_to(model)


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ({}, "at least one target"),
        ({0.5: {1: 1}}, "target scale 0.5 .* at least 1"),
        ({6: {}}, "no decode scales"),
        ({6: {8: 1}}, "decode scale 8 of target scale 6 is not between 1 and 6"),
        ({6: {1: 0}}, "must be positive"),
        ({6: {2: 0.3, 1: 1}}, "scales must rise"),
        ({6: {1: 0.3, 2: 0.2}}, "intensities must not fall"),
        ({6: {1: math.inf, 2: 1}}, "intensities must not fall|scales must rise"),
        ({6: {1: math.nan}}, "must be positive"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(targets: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Scale2Mod.from_limits(targets)
