"""The colour of invisible pixels.

A pixel of alpha 0 has a colour too, which nobody has ever seen: black, the key of a sprite, or an erased part. A model reads
it all the same, and mixes it into the visible pixels nearby. Here the colour of visible pixels takes its place, so that a
model sees the visible picture continued.

Near visible pixels, each step of a dilation gives an invisible pixel the mean colour of the visible or filled ones among
its eight neighbours. Farther away, a pixel has the mean colour of the smallest block around it that holds visible ones (a
pyramid: "pull-push", Gortler et al., "The Lumigraph", 1996).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

DILATIONS = 8  # pixels; a visible pixel hardly feels how those farther away are filled


def fill_invisible(rgb: Float[Tensor, "3 H W"], alpha: Float[Tensor, "1 H W"]) -> Float[Tensor, "3 H W"]:
    """The picture with other colours where alpha is 0, and unchanged elsewhere or if nothing is visible."""
    visible = alpha > 0
    if visible.all() or not visible.any():
        return rgb
    colour, weight = rgb * alpha, alpha
    for _ in range(DILATIONS):
        near, near_weight = (F.avg_pool2d(planes, 3, 1, 1) for planes in (colour, weight))
        reached = (weight == 0) & (near_weight > 0)
        if not reached.any():
            break
        colour = torch.where(reached, near / near_weight.where(reached, 1), colour)
        weight = torch.where(reached, 1, weight)
    return torch.where(visible, rgb, _pull_push(colour, weight))


def _pull_push(colour: Float[Tensor, "3 H W"], weight: Float[Tensor, "1 H W"]) -> Float[Tensor, "3 H W"]:
    """`colour / weight`; where the weight is 0, the same for the smallest block around the pixel that has a weight."""
    mean = colour / weight.where(weight > 0, 1)
    if (weight > 0).all():
        return mean
    coarse = _pull_push(*(F.avg_pool2d(planes[None], 2, ceil_mode=True)[0] for planes in (colour, weight)))
    pushed = coarse.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, : colour.shape[1], : colour.shape[2]]
    return torch.where(weight > 0, mean, pushed)
