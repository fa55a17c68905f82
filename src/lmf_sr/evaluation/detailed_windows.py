"""Crops for the eye: the most detailed window of a picture, as each model renders it."""

from collections.abc import Iterator, Mapping

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lmf_sr.data import PairedImages
from lmf_sr.errors import InputError
from lmf_sr.evaluation.quality import Upscaler
from lmf_sr.geometry import Region
from lmf_sr.results.plots import crop


def detailed_crops(
    models: Mapping[str, Upscaler], images: PairedImages, count: int, scale: float, side: int
) -> Iterator[tuple[str, dict[str, Float[Tensor, "3 _ _"]]]]:
    """Yields, for each of the first images, its name and its window by label: LR, every model's rendering, and HR.

    Args:
        models: the models by label.
        images: the set.
        count: the number of images; those that cannot be read, or are too small for the scale, are left out.
        scale: the scale of the renderings.
        side: the side of the window, in HR pixels.
    """
    for name in images.names()[:count]:
        try:
            pair = images.pair(name, scale)
        except InputError:
            continue
        lr, hr = pair.lr_picture, pair.hr_picture
        region = most_detailed(hr, side)
        yield (
            f"{name} x{scale:g}",
            {
                "LR": crop(lr, region),
                **{
                    label: crop(model.encode(lr).render(*hr.shape[1:])[0].cpu(), region)
                    for label, model in models.items()
                },
                "HR": crop(hr, region),
            },
        )


def most_detailed(picture: Float[Tensor, "3 H W"], side: int) -> Region:
    """The square window of `side` pixels with the largest mean gradient."""
    H, W = picture.shape[1:]
    side = min(side, H, W)
    rows, cols = picture.diff(dim=1)[:, :, 1:].abs(), picture.diff(dim=2)[:, 1:, :].abs()
    detail = F.avg_pool2d((rows + cols).mean(0, keepdim=True), max(side - 1, 1), stride=1)[0]
    top, left = divmod(int(detail.argmax()), detail.shape[1])
    return top / H, left / W, side / H, side / W
