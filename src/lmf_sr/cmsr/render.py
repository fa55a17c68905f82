"""Renders a plan of CMSR from a prepared state (`plan.py`).

*By themselves*, with picture_i the pixels of level i's grid,

    picture_i <- rendered, where the target's pixels of level i read them
    target    <- picture_i, upsampled bilinearly, where the nearest latent is of level i

which is exactly what calibration measures. *Chained*, as in the paper, starting from the LR image,

    picture <- picture, upsampled bilinearly to the grid of level i
    picture <- rendered there, where the nearest latent is of level i, with the cell of that grid

and at last to the target grid. Beside a place of a finer level, interpolation then reads pixels that are rendered finely
only later. Either way the modulations stay those of the target's cell, and a level at the target scale is rendered on
the target grid itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, cycle

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lmf_sr.cmsr.plan import Plan
from lmf_sr.geometry import Grid, clip_cell, numbers_like
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.renderer import RenderChosen, Renderer
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.upsampling import upsample
from lmf_sr.rendering.value_range import NORMALISED, ValueRange


def render_plan(
    plan: Plan,
    state: LMFState,
    intensity: Float[Tensor, "B h w"],
    lr: Float[Tensor, "B 3 h w"],
    renderer: Renderer,
    scratch: tuple[Scratch, Scratch],
    out: Float[Tensor, "B 3 H W"],
    values: ValueRange,
) -> None:
    """Renders the target of a plan.

    Args:
        plan: the levels and their grids.
        state: the state that an LMF conversion prepared for the target's cell.
        intensity: the intensity of each of its latents (`measures.py`).
        lr: the normalised LR image.
        renderer: renders the levels.
        scratch: holds the pictures of two levels.
        out: takes the pixels; rows lie one after the other.
        values: the range in which they are written.
    """
    if plan.is_full:
        renderer.render(state, lr, plan.target, out, values)
        return
    render = renderer.render_chosen(state, lr)
    cells = numbers_like([grid.cell for grid in plan.grids], lr)
    cells = clip_cell(cells, lr.shape[-2:])[:, None].expand(-1, len(lr), 2)
    all_chosen = plan.chosen(intensity)
    if plan.chained:
        _chained(render, all_chosen, cells, lr, plan.target, scratch, out, values)
    else:
        _by_themselves(render, all_chosen, cells, plan.target, scratch[0], out, values)


def _chained(
    render: RenderChosen,
    all_chosen: Sequence[PixelMask],
    cells: Float[Tensor, "levels B 2"],
    lr: Float[Tensor, "B 3 h w"],
    target: Grid,
    scratch: tuple[Scratch, Scratch],
    out: Float[Tensor, "B 3 H W"],
    values: ValueRange,
) -> None:
    picture, over = lr, Grid.over(*lr.shape[-2:])
    for chosen, cell, between, free in zip(all_chosen, cells, interpolated(all_chosen), cycle(scratch), strict=False):
        is_last = chosen.grid is target
        finer, written = (out, values) if is_last else (free.tensor(len(lr), 3, *chosen.grid.size), NORMALISED)
        upsample(picture, over, chosen.grid, finer, between, written)
        render(cell, chosen, finer, written)
        picture, over = finer, chosen.grid
    if picture is not out:
        upsample(picture, over, target, out, values=values)


def _by_themselves(
    render: RenderChosen,
    all_chosen: Sequence[PixelMask],
    cells: Float[Tensor, "levels B 2"],
    target: Grid,
    scratch: Scratch,
    out: Float[Tensor, "B 3 H W"],
    values: ValueRange,
) -> None:
    # All levels stand in one list, so that the program waits for a GPU only once.
    used = torch.stack([chosen.latents.any() for chosen in all_chosen]).tolist()
    for chosen, cell in compress(zip(all_chosen, cells, strict=True), used):
        if chosen.grid is target:
            render(cell, chosen, out, values)
        else:
            picture = scratch.tensor(len(out), 3, *chosen.grid.size)
            render(cell, chosen, picture, NORMALISED)
            upsample(picture, chosen.grid, target, out, PixelMask(chosen.latents, target), values)


def interpolated(all_chosen: Sequence[PixelMask]) -> list[PixelMask]:
    """The pixels of each level's grid that must be interpolated, because they are not rendered but read by a finer level.

    A pixel reads neighbours whose nearest latent is its own or next to it, because grids are no coarser than the LR image.
    """
    read, levels = torch.ones_like(all_chosen[-1].latents), []
    for chosen in reversed(all_chosen):
        levels.append(chosen._replace(latents=read & ~chosen.latents))
        read = with_neighbours(levels[-1].latents)
    return levels[::-1]


def with_neighbours(latents: Bool[Tensor, "B h w"]) -> Bool[Tensor, "B h w"]:
    """Marks also the eight latents around each marked one."""
    for axis in (1, 2):
        wide = latents.clone()
        wide.narrow(axis, 1, latents.shape[axis] - 1).logical_or_(latents.narrow(axis, 0, latents.shape[axis] - 1))
        wide.narrow(axis, 0, latents.shape[axis] - 1).logical_or_(latents.narrow(axis, 1, latents.shape[axis] - 1))
        latents = wide
    return latents
