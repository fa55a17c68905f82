"""A picture made larger: colour by the model, transparency by bicubic interpolation, both in bands of rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.cmsr.table import BoundTable
from lmf_sr.images import Picture, fill_invisible, imresize_rows
from lmf_sr.model import Model
from lmf_sr.rendering.budget import DEFAULT, Budget

TINY = 6  # LR pixels: the zero padding of a model spoils the colours of pictures with a shorter side
MARGIN = 8  # LR pixels by which these are continued at least

Advance = Callable[[float], None]
"""Takes each share, of all that is to be done, that has been done."""

Enlarge = Callable[[Picture, int, int], Picture]
"""Makes a picture larger, to a height and a width."""


def enlarged_bands(
    model: Model,
    cmsr: BoundTable | None,
    picture: Picture,
    height: int,
    width: int,
    advance: Advance,
    budget: Budget = DEFAULT,
) -> Iterator[Picture]:
    """The picture in `height` x `width` pixels, as bands of rows from top to bottom.

    The model sees the visible colours continued where the picture is transparent (`images/transparency.py`).
    """
    rgb = picture.rgb if picture.alpha is None else fill_invisible(picture.rgb, picture.alpha)
    top = 0
    for band in _colours(model, cmsr, rgb, height, width, budget):
        rows = slice(top, top + band.shape[1])
        alpha = None if picture.alpha is None else imresize_rows(picture.alpha, height, width, rows).clamp(0, 1)
        yield replace(picture, rgb=band.cpu(), alpha=alpha)
        advance((rows.stop - top) / height)
        top = rows.stop


def _colours(
    model: Model, cmsr: BoundTable | None, rgb: Float[Tensor, "3 h w"], height: int, width: int, budget: Budget
) -> Iterator[Float[Tensor, "3 n W"]]:
    """Bands of rows by the model. Tiny pictures are continued by their border first, or their colours would be off.

    They are continued by whole multiples of their sides, so that the pixels to keep stay on the grid.
    """
    repeats = [ceil(MARGIN / side) if side < TINY else 0 for side in rgb.shape[1:]]
    above, left = (n * size for n, size in zip(repeats, (height, width), strict=True))  # pixels
    rows, cols = (n * side for n, side in zip(repeats, rgb.shape[1:], strict=True))  # LR pixels
    continued = F.pad(rgb[None], (cols, cols, rows, rows), mode="replicate")[0] if any(repeats) else rgb
    top = -above
    for band in model.stream(continued, height + 2 * above, width + 2 * left, cmsr=cmsr, budget=budget):
        kept = band[0, :, max(-top, 0) : max(height - top, 0), left : left + width]
        top += band.shape[2]
        if kept.shape[1]:
            yield kept


def enlarged(
    model: Model, cmsr: BoundTable | None, picture: Picture, height: int, width: int, budget: Budget = DEFAULT
) -> Picture:
    """The picture in `height` x `width` pixels."""
    bands = list(enlarged_bands(model, cmsr, picture, height, width, lambda share: None, budget))
    alpha = [band.alpha for band in bands if band.alpha is not None]
    return replace(
        picture, rgb=torch.cat([band.rgb for band in bands], 1), alpha=torch.cat(alpha, 1) if alpha else None
    )
