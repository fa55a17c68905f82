"""The direct renderer, for any decoder: every pixel of a grid is a query. It is the reference for all faster paths."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import Grid, coordinates_on, sample_bilinear
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.renderer import RenderChosen
from lmf_sr.rendering.strips import FromStates
from lmf_sr.rendering.value_range import ValueRange


class Direct(FromStates):
    """One query per pixel (see `Renderer`)."""

    name = "direct"

    @staticmethod
    def supports(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
        return True

    @property
    def form(self) -> str:
        return "one query per pixel"

    def render(
        self, state: Any, lr: Float[Tensor, "B 3 h w"], grid: Grid, out: Float[Tensor, "B 3 H W"], values: ValueRange
    ) -> None:
        flat, query = out.view(len(lr), 3, -1), self._query(state, lr, grid)
        count = self.budget.queries(lr)
        for start in range(0, flat.shape[2], count):
            pixels = torch.arange(start, min(start + count, flat.shape[2]), device=lr.device)
            rgb = query(pixels).transpose(1, 2).to(out.dtype)
            flat[:, :, start : start + count] = values.apply_(rgb)

    def render_chosen(self, state: LMFState, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
        def render(cell: Tensor, chosen: PixelMask, out: Tensor, values: ValueRange) -> None:
            moved, masks = self.decoder.at_cell(state, cell), chosen.pixels()
            for b, flat in enumerate(out.flatten(2)):
                one = LMFState(*(part[b : b + 1] for part in moved))
                query = self._query(one, lr[b : b + 1], chosen.grid)
                wanted = masks[b].flatten().nonzero()[:, 0]
                for pixels in wanted.split(self.budget.queries(lr[:1])):
                    flat[:, pixels] = values.apply_(query(pixels)[0].T.to(flat.dtype))

        return render

    def _query(
        self, state: Any, lr: Float[Tensor, "B 3 h w"], grid: Grid
    ) -> Callable[[Int[Tensor, " n"]], Float[Tensor, "B n 3"]]:
        """A function from numbers of pixels, counted row by row, to their RGB."""
        (rows, cols), W = (coordinates_on(p, lr.device) for p in (grid.rows, grid.cols)), len(grid.cols)

        def query(pixels: Int[Tensor, " n"]) -> Float[Tensor, "B n 3"]:
            coords = torch.stack([rows[pixels // W], cols[pixels % W]], dim=-1).expand(len(lr), -1, -1)
            rgb = self.decoder.query(state, coords)
            return rgb + sample_bilinear(lr, coords) if self.decoder.lr_skip else rgb

        return query
