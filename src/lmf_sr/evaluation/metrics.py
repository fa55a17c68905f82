"""PSNR and SSIM under the protocols in use.

    PSNR = -10 log10(mean squared error)        for values in [0, 1], after cropping the border

    protocol        compared   cropped from each side   in use for
    div2k           RGB        scale + 6 pixels         DIV2K-style validation sets (LIIF and its successors)
    benchmark       luma       scale pixels             Set5, Set14, B100, Urban100
    benchmark-rgb   RGB        scale pixels             the same sets, as some model zoos report them

SSIM is that of Wang et al. (IEEE TIP 2004) with the 11 x 11 Gaussian window (sigma 1.5), averaged, as in their code, over
the windows that lie within the picture, and over channels. A fractional scale crops the next whole number of pixels.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images import luma

WINDOW = 11  # pixels, SSIM
BLACK = 16 / 255  # the luma of black in studio swing, which cancels in PSNR but not in SSIM


@dataclass(frozen=True)
class EvaluationProtocol:
    """A convention for comparing a picture with the truth: colour or luma, and the border that is cropped."""

    name: str
    on_luma: bool
    extra_crop: int  # pixels cropped from each side beyond the scale

    def crop(self, scale: float) -> int:
        """Pixels cropped from each side."""
        return math.ceil(scale) + self.extra_crop

    def compared_size(self, height: int, width: int, scale: float) -> tuple[int, int]:
        """Height and width of the part of an image that is compared. Raises InputError if nothing is left."""
        crop = self.crop(scale)
        if min(height, width) <= 2 * crop:
            raise InputError(
                f"an image of {height} x {width} pixels has nothing left to compare after protocol {self.name!r} crops "
                f"{crop} pixels from each side at scale {scale:g}: leave it out or take a smaller scale"
            )
        return height - 2 * crop, width - 2 * crop

    def view(self, image: Float[Tensor, "3 H W"], scale: float) -> Float[Tensor, "c H2 W2"]:
        """The part of an image that is compared, in float64. Raises InputError if nothing is left."""
        crop = self.crop(scale)
        height, width = self.compared_size(image.shape[1], image.shape[2], scale)
        inner = image[:, crop : crop + height, crop : crop + width].double()
        return luma(inner) + BLACK if self.on_luma else inner


DIV2K = EvaluationProtocol("div2k", on_luma=False, extra_crop=6)
BENCHMARK = EvaluationProtocol("benchmark", on_luma=True, extra_crop=0)
BENCHMARK_RGB = EvaluationProtocol("benchmark-rgb", on_luma=False, extra_crop=0)
PROTOCOLS = {protocol.name: protocol for protocol in (DIV2K, BENCHMARK, BENCHMARK_RGB)}


def protocol_named(name: str) -> EvaluationProtocol:
    """The protocol of this name. Raises InputError if there is none."""
    if name not in PROTOCOLS:
        raise InputError(f"there is no protocol {name!r}; choose one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def psnr(
    image: Float[Tensor, "3 H W"], truth: Float[Tensor, "3 H W"], scale: float, protocol: EvaluationProtocol
) -> float:
    """PSNR in dB of an image with values in [0, 1]; infinite for equal images.

    Raises InputError if nothing is left after cropping.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
    )  # slow to import; `upscale` need not wait

    compared, expected = protocol.view(image, scale), protocol.view(truth, scale)
    return peak_signal_noise_ratio(compared, expected, data_range=1.0).item()


def check_window(height: int, width: int, scale: float, protocol: EvaluationProtocol) -> None:
    """Raises InputError if cropping leaves less than one window of SSIM of an image of this size."""
    height, width = protocol.compared_size(height, width, scale)
    if min(height, width) < WINDOW:
        raise InputError(
            f"SSIM needs {WINDOW} x {WINDOW} pixels, but protocol {protocol.name!r} leaves {height} x {width} at scale "
            f"{scale:g}: leave the image out or take a smaller scale"
        )


def ssim(
    image: Float[Tensor, "3 H W"], truth: Float[Tensor, "3 H W"], scale: float, protocol: EvaluationProtocol
) -> float:
    """SSIM of an image with values in [0, 1].

    Raises InputError if less than one window is left after cropping.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # see `psnr`

    check_window(truth.shape[1], truth.shape[2], scale, protocol)
    compared, expected = protocol.view(image, scale), protocol.view(truth, scale)
    # float32 is several times faster than float64, and within 1e-5.
    _, full = structural_similarity_index_measure(
        compared[None].float(),
        expected[None].float(),
        kernel_size=WINDOW,
        sigma=1.5,
        data_range=1.0,
        return_full_image=True,
    )
    half = WINDOW // 2
    return torch.mean(full[..., half:-half, half:-half]).item()
