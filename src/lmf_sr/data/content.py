"""Training content beside photographs: drawn patterns, and pictures of other kinds (text, screenshots, charts).

A model that has seen only photographs spoils single pixels, thin stripes and dithers, because it gets their tones wrong.
Sample number i is a pattern, another picture or a photograph, by the shares asked for; the choice depends on (seed, i)
alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.data.pairs import decode
from lmf_sr.data.patterns import draw_pattern
from lmf_sr.data.sampling import Cut, Sampling
from lmf_sr.data.store import Photographs
from lmf_sr.errors import InputError
from lmf_sr.images import list_images

CANDIDATES = 4  # crops of a picture; the most detailed is taken, because screenshots are mostly empty


@dataclass(frozen=True)
class Content:
    """The shares of samples that are no photographs.

    Args:
        patterns: share of drawn patterns (`patterns.py`), shown as they are.
        pictures: share of the pictures in `root`. Half of these samples show the picture as it is, the others reduce it as
            photographs are reduced.
        root: the folder of the pictures; null for none.
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

    def choose(
        self, pictures: Photographs, sampling: Sampling, rng: np.random.Generator
    ) -> tuple[int | UInt8[Tensor, "3 p p"], Cut] | None:
        """Draws a picture, by its place among `pictures` or as a pattern, and a cut of it; None for a photograph."""
        lot = rng.random()
        if lot < self.patterns:
            return draw_pattern(sampling.patch, rng), sampling.cut(sampling.patch, sampling.patch, rng, enlarged=True)
        if lot >= self.patterns + self.pictures:
            return None
        place = int(rng.integers(len(pictures)))
        picture = [*pictures.values()][place]
        as_it_is = bool(rng.random() < 0.5) or min(picture.shape[1:]) < sampling.largest_side
        side = sampling.patch if as_it_is else sampling.largest_side
        top, left = _detailed_corner(picture, side, rng)
        cut = sampling.cut(side, side, rng, as_it_is)
        return place, cut._replace(top=top + cut.top, left=left + cut.left)


def _detailed_corner(picture: UInt8[Tensor, "3 H W"], side: int, rng: np.random.Generator) -> tuple[int, int]:
    """The corner of a random window, that with the most contrast among a few."""
    corners = [
        (int(rng.integers(picture.shape[1] - side + 1)), int(rng.integers(picture.shape[2] - side + 1)))
        for _ in range(CANDIDATES)
    ]
    return max(corners, key=lambda c: picture[:, c[0] : c[0] + side, c[1] : c[1] + side].float().std().item())
