"""Means over images and over seeds.

The PSNR of an image that is reproduced exactly, such as a flat one, is infinite, and a single such image would make the
mean of a set infinite. So a mean is taken over the finite values, and `NAME_infinite` counts the others. If no value is
finite, the mean is infinite.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

INFINITE = "_infinite"
"""The suffix of the metric that counts the infinite values of another."""


class Spread(NamedTuple):
    """Mean and sample standard deviation over the seeds whose value is finite; `std` is 0 for a single seed."""

    mean: float
    std: float
    seeds: int

    @classmethod
    def over(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        finite = finite_values(values)
        if not finite:
            return cls(values[0], 0.0, len(values))
        return cls(statistics.fmean(finite), statistics.stdev(finite) if len(finite) > 1 else 0.0, len(finite))


def finite_values(values: Iterable[float]) -> list[float]:
    """The values without the infinite ones. NaN stays, because only a fault can bring it."""
    return [value for value in values if not math.isinf(value)]


def over_images(images: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric over images, and the number of infinite values. A metric that an image lacks counts as 0.

    >>> over_images([{"psnr": 30.0}, {"psnr": 32.0}, {"psnr": float("inf")}])
    {'psnr': 31.0, 'psnr_infinite': 1}
    """
    means: dict[str, float] = {}
    for name in dict.fromkeys(name for image in images for name in image):
        values = [image.get(name, 0.0) for image in images]
        finite = finite_values(values)
        means[name] = statistics.fmean(finite) if finite else values[0]
        if len(finite) < len(values):
            means[name + INFINITE] = len(values) - len(finite)
    return means
