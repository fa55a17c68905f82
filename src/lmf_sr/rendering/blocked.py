"""The blocked renderer, the fast path of the LMF conversions on regular grids on a CPU. It equals the direct path.

The direct path fetches four sets of modulations for every pixel. But on a grid the pixels between four latents form a
block and share their modulations. The blocked renderer reads these where they lie and uses them for all pixels of the block
while they are in cache. Two forms of it give the same pixels: `cpu.py`, where there is a C compiler, and `torch_blocks.py`.

The compiled form needs no whole state. It makes the latents from the features, band by band, as the pixels need them
(`cpu_latents.py`), so a window costs in proportion to its pixels, and only one band of latents is ever held.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import Grid, Size, relative_cell
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.rendering import cpu, cpu_latents, torch_blocks
from lmf_sr.rendering.budget import DEFAULT, PIXEL, Budget
from lmf_sr.rendering.pixel_axes import Axis, PixelMask
from lmf_sr.rendering.renderer import Band, Encoded, RenderChosen
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.strips import FromStates
from lmf_sr.rendering.value_range import ValueRange


class Blocked(FromStates):
    """Blocks of pixels between four latents, on a CPU (see `Renderer`)."""

    name = "blocked"

    def __init__(
        self,
        decoder: Decoder,
        features: Float[Tensor, "B C h w"],
        budget: Budget = DEFAULT,
        use_compiled: bool = True,
    ) -> None:
        """`use_compiled` False takes PyTorch even where there is a compiled kernel."""
        super().__init__(decoder, features, budget)
        self.is_covered = cpu.supports(decoder, features.dtype)
        self.is_compiled = use_compiled and self.is_covered and why_not_compiled() is None
        self.from_features = self.is_compiled and cpu_latents.supports(decoder, features)
        if self.from_features:
            self.states_at_once = budget.reused

    @staticmethod
    def supports(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
        return decoder.is_conversion and decoder.ensemble and features.device.type == "cpu"

    @property
    def form(self) -> str:
        if self.is_compiled:
            return "compiled, from the features on" if self.from_features else "compiled, from the state on"
        if not self.is_covered:
            return f"PyTorch: the compiled kernel is for float32 and width {cpu.WIDTH}"
        return f"PyTorch: {why_not_compiled() or 'the compiled kernel was not asked for'}"

    def bands(
        self, encoded: Encoded, grid: Grid, values: ValueRange, out: Float[Tensor, "B 3 H W"] | None = None
    ) -> Iterator[Band]:
        if not self.from_features or encoded.prepared_state(encoded.cell(grid)) is not None:
            yield from super().bands(encoded, grid, values, out)
            return
        lr, window = encoded.lr, encoded.window
        B, _, h, w = lr.shape
        rows, cols = Axis(grid.rows, h), Axis(grid.cols, w)
        left, right = cols.span
        cell = relative_cell(encoded.cell(grid)[:, 0], encoded.size)
        rendering = cpu.Rendering(self.decoder, lr)
        source = cpu_latents.Latents(self.decoder, encoded.features, cell, left - window.left, right - window.left)
        line = B * (right - left) * source.latent_size * lr.element_size()
        lines = max(self.budget.band_latents // line // 2 * 2, 2)  # an even number, since they are made in pairs
        for band in bands(rows, lines, max(self.budget.band_pixels // (PIXEL * B * len(grid.cols)), 1)):
            axis = rows.part(band)
            top, bottom = axis.span
            rgb = lr.new_empty(B, 3, band.stop - band.start, len(grid.cols)) if out is None else out[:, :, band]
            lines_of_latents = source.lines(top - window.top, bottom - window.top)
            rendering.render(lines_of_latents, cell, axis.shifted(top), cols.shifted(left), rgb, values=values)
            yield band, rgb

    def prepare(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B 1 2"], lr_size: Size, scratch: Scratch
    ) -> LMFState:
        if not self.from_features:
            return super().prepare(features, cell, lr_size, scratch)
        relative = relative_cell(cell[:, 0], lr_size)
        return cpu_latents.Latents(self.decoder, features, relative, 0, features.shape[-1]).state(relative, scratch)

    def render(
        self,
        state: LMFState,
        lr: Float[Tensor, "B 3 h w"],
        grid: Grid,
        out: Float[Tensor, "B 3 H W"],
        values: ValueRange,
    ) -> None:
        rows, cols = Axis(grid.rows, lr.shape[2]), Axis(grid.cols, lr.shape[3])
        self._rendering(lr).render(state.modulations, state.cell, rows, cols, out, values=values)

    def render_chosen(self, state: LMFState, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
        rendering = self._rendering(lr)

        def render(cell: Tensor, chosen: PixelMask, out: Tensor, values: ValueRange) -> None:
            cell = relative_cell(cell, lr.shape[-2:])
            shift = self.decoder.shift_to(state, cell)
            rendering.render(state.modulations, cell, *chosen.axes, out, chosen, shift, values)

        return render

    def _rendering(self, lr: Float[Tensor, "B 3 h w"]) -> cpu.Rendering | torch_blocks.Rendering:
        if self.is_compiled:
            return cpu.Rendering(self.decoder, lr)
        return torch_blocks.Rendering(self.decoder, lr, self.budget.block)


def bands(rows: Axis, lines: int, most: int) -> Iterator[slice]:
    """Yields up to `most` rows of pixels at a time, which together need at most one more than `lines` lines of latents."""
    start = 0
    for count in torch.unique_consecutive(rows.corners.at[:, 1] // lines, return_counts=True)[1].tolist():
        for first in range(start, start + count, most):
            yield slice(first, min(first + most, start + count))
        start += count
