"""A plan: the levels, their grids, and the pixels of each."""

import math
from dataclasses import replace

import pytest
import torch

from lmf_sr.cmsr.plan import Level, level_map
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.geometry import Grid


def test_the_chosen_pixels_of_each_level() -> None:
    """Levels that stand by themselves read one pixel of their grid beyond their latents', except the target's level."""
    table = Scale2Mod.from_limits({8: {1: 0.2, 4: 0.4}})
    intensity = torch.zeros(1, 7, 11)
    intensity[0, 0, :4] = 0.3
    intensity[0, 1, :2] = 0.4

    def pixels(table: Scale2Mod) -> list[int]:
        return [mask.pixel_count() for mask in table.plan(Grid.over(56, 88), (7, 11)).chosen(intensity)]

    assert pixels(table) == [77 - 6, 4 * 16, 2 * 64]
    assert pixels(replace(table, chained=False)) == [77 - 1, 17 * 5, 2 * 64]


def test_levels_follow_the_area_where_axes_differ() -> None:
    """x7.3 by x2.2 has the area of x4.007, so there is a level at x4, and one at the target."""
    plan = Scale2Mod.from_limits({6: {2: 0.3, 4: 0.5}}).plan(Grid.over(73, 44), (10, 20))
    assert [level.scale for level in plan.levels] == pytest.approx([2, 4, math.sqrt(73 * 44 / 200)])
    assert [grid.size for grid in plan.grids] == [(20, 40), (40, 80), (73, 44)]


def test_level_map() -> None:
    """A limit itself belongs to the finer level; the last level takes all that is left."""
    levels = (Level(1, 0.32), Level(2, 0.41), Level(4, 0.55), Level(6, math.inf))
    intensity = torch.tensor([[[0.0, 0.31, 0.32, 0.4, 0.55, 7.0]]])
    assert level_map(intensity, levels).tolist() == [[[0, 0, 1, 1, 3, 3]]]
    assert level_map(intensity, (Level(3, math.inf),)).tolist() == [[[0] * 6]]
