"""Evaluation: every image of a set is rendered from its LR image at the size of its HR image, and compared with it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from lmf_sr.cmsr.savings import SavingsMeter, overall
from lmf_sr.data import PairedImages
from lmf_sr.errors import InputError
from lmf_sr.evaluation import metrics
from lmf_sr.results.records import Metrics, Result


@runtime_checkable
class Upscaler(Protocol):
    """A `Model`, the bicubic baseline, or anything else that upscales and so can be evaluated."""

    def encode(self, image: Float[Tensor, "3 h w"], /) -> Any:
        """Takes a picture in [0, 1]; returns an object with `render(height, width) -> (1, 3, height, width)` in [0, 1]."""


def evaluate_sets(
    model: Upscaler,
    sets: Sequence[PairedImages],
    scales: Sequence[float],
    protocol: metrics.EvaluationProtocol,
    saving: SavingsMeter | None = None,
    begin: Callable[[int], Callable[[], None]] = lambda images: lambda: None,
) -> list[Result]:
    """A result for each set and each scale, as `evaluate` finds it.

    `begin` is given the number of pictures to measure, and returns a function that is called after each of them.
    """
    after_image = begin(len(scales) * sum(map(len, sets)))
    return [evaluate(model, images, scale, protocol, after_image, saving) for images in sets for scale in scales]


def evaluate(
    model: Upscaler,
    images: PairedImages,
    scale: float,
    protocol: metrics.EvaluationProtocol,
    after_image: Callable[[], None] = lambda: None,
    saving: SavingsMeter | None = None,
) -> Result:
    """PSNR and SSIM of each image of a set at one scale, and their means; with CMSR, also its savings (`cmsr/savings.py`).

    An image that cannot be read or compared is reported among the result's failures; the others are measured all the same.

    Args:
        model: the model, or the baseline.
        images: the set.
        scale: the factor by which the HR images are larger than the LR images.
        protocol: the convention by which a rendering is compared with its HR image.
        after_image: is called after each image, for progress bars.
        saving: renders by its CMSR table and measures the savings; None to render in full.
    """
    scores: dict[str, Metrics] = {}
    failures: dict[str, str] = {}
    for name in images.names():
        try:
            pair = images.pair(name, scale)
            truth = pair.hr_picture
            height, width = truth.shape[1:]
            image = model.encode(pair.lr_picture)
            render = partial(image.render, cmsr=saving.table) if saving else image.render
            output = render(height, width)[0].cpu()
            scores[name] = {
                "psnr": metrics.psnr(output, truth, scale, protocol),
                "ssim": metrics.ssim(output, truth, scale, protocol),
                **(saving.measure(image, height, width) if saving else {}),
            }
        except InputError as error:
            failures[name] = str(error)
        after_image()
    means, lr_source = overall([*scores.values()]), images.lr_source(scale)
    return Result(scale, means, images.name, protocol.name, lr_source, scores, failures)
