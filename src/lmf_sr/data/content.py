"""What a model is trained on beside photographs: drawn patterns, and pictures of other kinds (text, screenshots, charts).

A model that has seen photographs alone spoils single pixels, thin stripes and dithers, because their tones come out wrong.
Sample number i is a pattern, another picture or a photograph by the shares asked for; which, depends on (seed, i) alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.data.pairs import decode
from lmf_sr.data.patterns import draw_pattern
from lmf_sr.data.sampling import Sample, Sampling
from lmf_sr.data.store import Photographs
from lmf_sr.errors import InputError
from lmf_sr.images import list_images

CANDIDATES = 4  # crops of a picture, of which the one with the most detail is taken: screenshots are mostly empty


@dataclass(frozen=True)
class Content:
    """Shares of samples that are no photographs.

    Args:
        patterns: share of drawn patterns (`patterns.py`), shown as they are.
        pictures: share of pictures of `root`, every other of them as it is, the rest reduced as photographs are.
        root: folder of those pictures; null for none.
    """

    patterns: float = 0.0
    pictures: float = 0.0
    root: str | Path | None = None

    def __post_init__(self) -> None:
        """Raises InputError for shares that cannot be had."""
        if min(self.patterns, self.pictures) < 0 or self.patterns + self.pictures > 1:
            raise InputError(
                f"shares of {self.patterns:g} patterns and {self.pictures:g} pictures cannot be had: choose shares of at "
                "least 0 that sum to 1 at most"
            )
        if self.pictures and self.root is None:
            raise InputError(
                f"a share of {self.pictures:g} other pictures needs a folder of them: "
                "give content.root=DIR, or content.pictures=0"
            )

    def load(self, patch: int) -> Photographs:
        """The other pictures. Raises InputError if one is smaller than an LR patch."""
        if not self.pictures or self.root is None:
            return {}
        pictures = decode({str(file): file for file in list_images(Path(self.root))})
        for name, picture in pictures.items():
            if min(picture.shape[1:]) < patch:
                raise InputError(
                    f"{name} is {picture.shape[1]} x {picture.shape[2]} pixels, smaller than an LR patch of {patch} x "
                    f"{patch}: remove it, or choose a smaller sampling.patch"
                )
        return pictures

    def draw(self, pictures: Photographs, sampling: Sampling, rng: np.random.Generator) -> Sample | None:
        """A sample that is no photograph, or None where the lot falls on photographs."""
        lot = rng.random()
        if lot < self.patterns:
            return sampling.draw_enlarged(draw_pattern(sampling.patch, rng), rng)
        if lot >= self.patterns + self.pictures:
            return None
        picture = pictures[list(pictures)[rng.integers(len(pictures))]]
        as_it_is = rng.random() < 0.5 or min(picture.shape[1:]) < sampling.largest_side
        side = sampling.patch if as_it_is else sampling.largest_side
        return (sampling.draw_enlarged if as_it_is else sampling.draw)(_detailed_window(picture, side, rng), rng)


def _detailed_window(picture: UInt8[Tensor, "3 H W"], side: int, rng: np.random.Generator) -> UInt8[Tensor, "3 s s"]:
    """The random window of the most contrast among a few."""
    corners = [[int(rng.integers(length - side + 1)) for length in picture.shape[1:]] for _ in range(CANDIDATES)]
    windows = [picture[:, top : top + side, left : left + side] for top, left in corners]
    return max(windows, key=lambda window: window.float().std().item())
