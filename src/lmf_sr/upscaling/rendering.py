"""A picture made larger: colour by the model, transparency by bicubic interpolation, both in bands of rows."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from lmf_sr.cmsr.table import BoundTable
from lmf_sr.images import Picture, fill_invisible, imresize_rows
from lmf_sr.model import Model
from lmf_sr.rendering.budget import DEFAULT, Budget

Advance = Callable[[float], None]
"""Takes each share, of all that is to be done, that has been done."""


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
    for band in model.stream(rgb, height, width, cmsr=cmsr, budget=budget):
        rows = slice(top, top + band.shape[2])
        alpha = None if picture.alpha is None else imresize_rows(picture.alpha, height, width, rows).clamp(0, 1)
        yield replace(picture, rgb=band[0].cpu(), alpha=alpha)
        advance((rows.stop - top) / height)
        top = rows.stop


def enlarged(model: Model, cmsr: BoundTable | None, picture: Picture, height: int, width: int) -> Picture:
    """The picture in `height` x `width` pixels."""
    bands = list(enlarged_bands(model, cmsr, picture, height, width, lambda share: None))
    alpha = [band.alpha for band in bands if band.alpha is not None]
    return replace(
        picture, rgb=torch.cat([band.rgb for band in bands], 1), alpha=torch.cat(alpha, 1) if alpha else None
    )
