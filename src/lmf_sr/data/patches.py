"""The endless stream of training samples.

Sample number i of a run is a function of (seed, i) alone: neither the number of workers, nor of processes, nor a resume
changes it. Step t of a run with batch size B takes samples tB .. (t+1)B - 1, of which each process takes an equal share.

Photographs are visited in a new random order every pass, so that all are seen equally often. Shares of the samples may be
other pictures (`content.py`), which take the place of the photograph of their number.
"""

import itertools
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from lmf_sr.data.content import Content
from lmf_sr.data.sampling import Cut, Sample, Sampling
from lmf_sr.data.store import Photographs
from lmf_sr.errors import InputError

_ORDER, _SAMPLE, _CONTENT = 0, 1, 2  # keep the uses of the seed apart


class Patches(Dataset[Sample]):
    """Samples by number, of images decoded once and kept as uint8; worker processes share that memory."""

    def __init__(self, images: Photographs, sampling: Sampling, seed: int, content: Content | None = None) -> None:
        """Raises InputError if an image is smaller than the largest HR patch."""
        for name, image in images.items():
            if min(image.shape[1:]) < sampling.largest_side:
                raise InputError(
                    f"{name} is {image.shape[1]} x {image.shape[2]} pixels, but training patches of {sampling.patch} "
                    f"pixels at scale {sampling.max_scale:g} need {sampling.largest_side} x {sampling.largest_side}: "
                    "remove it, or choose a smaller patch or scale"
                )
        self.sampling, self.seed = sampling, seed
        self.content = content or Content()
        self.photographs, self.others = images, self.content.load(sampling.patch)
        self.names, self.names_of_others = list(images), list(self.others)
        self.sizes = [(image.shape[1], image.shape[2]) for image in images.values()]

    def choose(self, number: int) -> tuple[int | UInt8[Tensor, "3 p p"], Cut]:
        """Draws the picture of sample `number`, by its place (see `picture`) or as a drawn pattern, and a cut of it."""
        other = self.content.choose(self.others, self.sampling, _rng(self.seed, _CONTENT, number))
        if other is not None:
            picture, cut = other
            return picture + len(self.names) if isinstance(picture, int) else picture, cut
        visit, turn = divmod(number, len(self.names))
        place = _order(self.seed, visit, len(self.names))[turn]
        return place, self.sampling.cut(*self.sizes[place], _rng(self.seed, _SAMPLE, number))

    def picture(self, place: int) -> UInt8[Tensor, "3 H W"]:
        """The photograph at this place; places after the last photograph have the pictures of other kinds."""
        count = len(self.names)
        if place < count:
            return self.photographs[self.names[place]]
        return self.others[self.names_of_others[place - count]]

    def __getitem__(self, number: int) -> Sample:
        picture, cut = self.choose(number)
        return self.sampling.make(self.picture(picture) if isinstance(picture, int) else picture, cut)


class Batches(Sampler[list[int]]):
    """The sample numbers of one process's share of every step, from a step on, without end."""

    def __init__(self, batch_size: int, first_step: int = 0, rank: int = 0, processes: int = 1) -> None:
        """`batch_size` counts the samples of all processes. Raises InputError if it cannot be shared equally."""
        if batch_size < 1 or batch_size % processes:
            raise InputError(f"a batch of {batch_size} cannot be shared by {processes} processes: choose a multiple")
        self.share = batch_size // processes
        self.batch_size, self.first_step, self.rank = batch_size, first_step, rank

    def __iter__(self) -> Iterator[list[int]]:
        for step in itertools.count(self.first_step):
            first = step * self.batch_size + self.rank * self.share
            yield list(range(first, first + self.share))


@lru_cache(maxsize=2)
def _order(seed: int, visit: int, images: int) -> list[int]:
    return _rng(seed, _ORDER, visit).permutation(images).tolist()


def _rng(seed: int, use: int, number: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(use, number)))
