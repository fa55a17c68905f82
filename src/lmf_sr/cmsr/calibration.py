"""Calibration: for which modulation intensities a decode scale is good enough, found on pictures (`cmsr/table.py`).

Each picture is reduced by the target scale S, then rendered at S and, with the same modulations, at a decode scale s_i that
is upsampled bilinearly to S. Pixels fall into bins b by the intensity of their nearest latent, and

    E_i(b) = mean over the pixels of bin b of (upsampled_i - rendered)^2,      values in [-1, 1]

The limit of s_i for an MSE threshold is the upper edge of the last bin seen up to which E_i stays within a bound, and not
above the limits of the finer scales. By *aggregation* of the pictures, bound and E_i are

    overall    the bound with which all pixels of all pictures, those rendered in full too, together keep to the threshold
    pooled     the threshold, for E_i of all pictures together
    minimum    the threshold, for E_i of each picture by itself: the smallest of the pictures' limits (the authors' rule)

The first two make tables whose levels stand by themselves (`cmsr/render.py`): what they err by is what was measured here.
"minimum" makes chained ones, as the authors', which err more, at the borders of levels.

What is kept are sums and maxima per bin (`Statistics`), from which a table for any threshold follows.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.atomic import replacing
from lmf_sr.cmsr.table import NO_LIMIT, Scale2Mod, check_intensity, fingerprint, read_mapping
from lmf_sr.data import PairedImages
from lmf_sr.data.store import Photographs
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE, Grid
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.rendering.axes import nearest_latents

FORMAT = "lmf-sr calibration 2"
LOWEST, RATIO, BINS = 0.001, 1.02, 465  # bins of intensity up to 10, each 2 % wide; above, all is rendered in full
AGGREGATIONS = ("overall", "pooled", "minimum")
THRESHOLD = 2e-5  # the paper's MSE
MARGIN = 1.5  # of "overall", for pictures with more places of middling intensity than the calibration's


@dataclass
class Statistics:
    """The errors found at one target scale, by decode scale and bin of intensity; float64.

    values: how many values (three to a pixel) each bin holds.
    squared: the sum of their squared errors.
    worst: the largest MSE of the bin in any one picture.
    """

    decode_scales: list[float]
    values: Float[Tensor, " b"]
    squared: Float[Tensor, "s b"]
    worst: Float[Tensor, "s b"]

    @classmethod
    def empty(cls, decode_scales: Sequence[float]) -> Statistics:
        zeros = torch.zeros(len(decode_scales), BINS, dtype=torch.float64)
        return cls(list(decode_scales), zeros[0].clone(), zeros, zeros.clone())

    def add(self, values: Float[Tensor, " b"], squared: Float[Tensor, "s b"]) -> None:
        """Takes in what one picture brings."""
        self.values += values
        self.squared += squared
        self.worst = self.worst.maximum(torch.where(values > 0, squared / values, 0.0))

    def limits(self, mse_threshold: float, aggregation: str) -> list[float]:
        """The largest intensity for each decode scale; 0 where it is good for none."""
        error = (
            self.worst if aggregation == "minimum" else torch.where(self.values > 0, self.squared / self.values, 0.0)
        )
        error = error.where(~error.isnan(), torch.inf)
        if aggregation == "overall":
            bins = self._good_bins(error, F.pad(error.unique(), (1, 0), value=-1.0))  # at first none is good
            sums = F.pad(self.squared.cumsum(-1), (1, 0))
            of_scales = sums.gather(1, bins) - sums.gather(1, F.pad(bins[:-1], (0, 0, 1, 0)))
            overall = of_scales.sum(0) / self.values.sum().clamp(min=1)
            bins = bins[:, (overall.cummax(0).values <= mse_threshold).sum() - 1]
        else:
            bins = self._good_bins(error, error.new_tensor([mse_threshold]))[:, 0]
        return [upper_edge(count - 1) if count else 0.0 for count in bins.tolist()]

    def _good_bins(self, error: Float[Tensor, "s b"], bounds: Float[Tensor, " n"]) -> Int[Tensor, "s n"]:
        """How many bins each decode scale is good for, where errors up to the bound are."""
        first_bad = torch.searchsorted(error.cummax(-1).values, bounds.expand(len(error), -1).contiguous(), right=True)
        seen = torch.where(self.values > 0, torch.arange(1, BINS + 1), 0)  # an empty bin is evidence of nothing
        up_to_seen = F.pad(seen.cummax(0).values, (1, 0))
        return up_to_seen[first_bad].flip(0).cummin(0).values.flip(0)


@dataclass
class Calibration:
    """What has been found on pictures about one model.

    targets: by target scale.
    images: the pictures taken in.
    intensity: which of `cmsr.table.INTENSITIES` the bins are of.
    """

    fingerprint: str
    model: str
    targets: dict[float, Statistics]
    images: list[str] = field(default_factory=list)
    intensity: str = "shift"

    @classmethod
    def of(
        cls,
        model: Model,
        name: str,
        targets: Sequence[float],
        decode_scales: Sequence[float],
        intensity: str = "shift",
    ) -> Calibration:
        """An empty one.

        Args:
            model: an LMF conversion on any encoder.
            name: of the model, for people.
            targets: target scales, above 4.
            decode_scales: of which each target gets those below it.
            intensity: one of `cmsr.table.INTENSITIES`.

        Raises:
            InputError: scales that make no sense, or no such intensity.
        """
        check_intensity(intensity)
        for target in targets:
            if not TRAINING_SCALE < target < math.inf:
                raise InputError(
                    f"target scale {target:g} needs no calibration: CMSR is for scales above {TRAINING_SCALE:g}"
                )
        for scale in decode_scales:
            if not 1 <= scale < math.inf:
                raise InputError(f"decode scale {scale:g} cannot be calibrated: it must be at least 1")
        ladder = sorted(set(decode_scales))
        for target in targets:
            if not any(scale < target for scale in ladder):
                raise InputError(
                    f"target scale {target:g} has no decode scale below it among {ladder}: "
                    "add one, as in decode_scales=[1,2,4]"
                )
        by_target = {t: Statistics.empty([scale for scale in ladder if scale < t]) for t in sorted(set(targets))}
        return cls(fingerprint(model), name, by_target, intensity=intensity)

    @property
    def scales(self) -> dict[float, list[float]]:
        """The decode scales of each target."""
        return {target: statistics.decode_scales for target, statistics in self.targets.items()}

    def take(self, model: Model, images: PairedImages, name: str) -> None:
        """Takes in one picture of a set. Raises InputError if it cannot be read or is too small for a target scale."""
        found = {
            scale: measure(model, images, name, scale, s.decode_scales, self.intensity)
            for scale, s in self.targets.items()
        }
        for scale, (values, squared) in found.items():
            self.targets[scale].add(values, squared)
        self.images.append(name)

    def table(self, mse_threshold: float, aggregation: str = AGGREGATIONS[0]) -> Scale2Mod:
        """The Scale2Mod table for a threshold (MSE of values in [-1, 1]).

        Raises:
            InputError: a threshold that is not positive, an unknown aggregation, or no picture taken in.
        """
        if not mse_threshold > 0:
            raise InputError(f"an MSE threshold of {mse_threshold:g} allows no saving: it must be positive, as in 2e-5")
        if aggregation not in AGGREGATIONS:
            raise InputError(f"there is no aggregation {aggregation!r}; choose one of {', '.join(AGGREGATIONS)}")
        if not self.images:
            raise InputError("a calibration without pictures makes no table")
        margin = MARGIN if aggregation == "overall" else 1.0
        targets: dict[float, dict[float, float]] = {}
        for target, statistics in self.targets.items():
            levels: dict[float, float] = {}
            limits = statistics.limits(mse_threshold / margin, aggregation)
            for scale, limit in zip(statistics.decode_scales, limits, strict=True):
                if limit > max(levels.values(), default=0.0):
                    levels[scale] = limit
            targets[target] = {**levels, target: NO_LIMIT}
        return Scale2Mod.of(
            targets,
            intensity=self.intensity,
            mse_threshold=mse_threshold,
            aggregation=aggregation,
            images=len(self.images),
            fingerprint=self.fingerprint,
            model=self.model,
            chained=aggregation == "minimum",
        )

    def save(self, path: str | Path) -> None:
        """Writes a .json file, atomically."""
        content = {
            "format": FORMAT,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "intensity": self.intensity,
            "images": self.images,
            "targets": {
                f"{target:g}": {
                    "decode_scales": s.decode_scales,
                    "values": s.values.tolist(),
                    "squared": s.squared.tolist(),
                    "worst": s.worst.tolist(),
                }
                for target, s in self.targets.items()
            },
        }
        with replacing(path) as file:
            file.write(json.dumps(content).encode())

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads what `save` wrote. Raises InputError for a file that holds no calibration."""
        return cls.from_content(read_mapping(path, "calibration"), path)

    @classmethod
    def from_content(cls, content: Mapping[str, Any], path: str | Path) -> Calibration:
        """The calibration in a file's content."""
        if content.get("format") != FORMAT:
            raise InputError(f"{path} has format {content.get('format')!r}, not {FORMAT!r}: calibrate anew")
        try:
            targets = {float(target): _statistics(entry) for target, entry in content["targets"].items()}
            return cls(content["fingerprint"], content["model"], targets, content["images"], content["intensity"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} holds no calibration: {error!r}") from error


def is_calibration(content: Mapping[str, Any]) -> bool:
    """Whether the content of a file is, or is meant to be, a calibration rather than a table."""
    targets = content.get("targets")
    entries = list(targets.values()) if isinstance(targets, Mapping) else []
    return "format" in content or any(isinstance(entry, Mapping) and "decode_scales" in entry for entry in entries)


def calibrate(
    calibration: Calibration,
    model: Model,
    images: PairedImages,
    path: Path,
    after_image: Callable[[], None] = lambda: None,
) -> None:
    """Takes in those pictures of a set that are not yet; writes the file after each, so that nothing is lost."""
    for name in images.names():
        if name not in calibration.images:
            calibration.take(model, images, name)
            calibration.save(path)
        after_image()


def upper_edge(number: int) -> float:
    """The intensity at which a bin ends."""
    return float(f"{LOWEST * RATIO ** (number + 1):.4g}")


def evenly_spread(photographs: Photographs, count: int) -> Photographs:
    """So many of the photographs, evenly spread over them; all, if there are no more. Names lose their folders, unless two
    would be the same without."""
    names = list(photographs)
    if count < len(names):
        names = [names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)]
    alike = Counter(Path(name).name for name in names)
    return {Path(name).name if alike[Path(name).name] == 1 else name: photographs[name] for name in names}


def measure(
    model: Model,
    images: PairedImages,
    name: str,
    scale: float,
    decode_scales: Sequence[float],
    intensity: str = "shift",
) -> tuple[Float[Tensor, " b"], Float[Tensor, "s b"]]:
    """Values and squared errors per bin, of one picture at one target scale."""
    image = model.encode(images.pair(name, scale).lr / 255)
    height, width = (round(side * scale) for side in image.size)
    bins = _bin_of_pixels(image, height, width, intensity)
    full = image.render(height, width, clamp=False)
    squared = [
        _per_bin(bins, _squared_error(image.render(height, width, clamp=False, cmsr=only(scale, s)), full))
        for s in decode_scales
    ]
    return _per_bin(bins, torch.full_like(bins, 3, dtype=torch.float64)), torch.stack(squared)


def only(target: float, scale: float) -> Scale2Mod:
    """The table by which everything is rendered at one decode scale."""
    return Scale2Mod.of({target: {scale: NO_LIMIT}})


def table_from(path: str | Path, mse_threshold: float | None, aggregation: str, intensity: str = "shift") -> Scale2Mod:
    """A table from a file: of a calibration, that of the threshold (the paper's, if None); of a table, that one.

    Raises:
        InputError: a file that holds neither, or another threshold or intensity than the table was made for.
    """
    content = read_mapping(path, "Scale2Mod table or calibration")
    if is_calibration(content):
        threshold = THRESHOLD if mse_threshold is None else mse_threshold
        table = Calibration.from_content(content, path).table(threshold, aggregation)
    else:
        table = Scale2Mod.from_content(content, path)
    check_intensity(intensity)
    if table.intensity != intensity:
        raise InputError(
            f"{path} was made for the intensity {table.intensity}, not {intensity}: calibrate for that, or ask for "
            f"{table.intensity}"
        )
    if mse_threshold is not None and table.mse_threshold is not None and table.mse_threshold != mse_threshold:
        raise InputError(
            f"{path} was made for an MSE threshold of {table.mse_threshold:g}, not {mse_threshold:g}: "
            "leave the threshold out, or use a calibration, which serves any"
        )
    return table


def _bin_of_pixels(image: ContinuousImage, height: int, width: int, name: str) -> Int[Tensor, "H W"]:
    """The bin of each pixel of a single picture; BINS for what lies above them all."""
    rows, cols = nearest_latents(Grid.over(height, width), image.size)
    intensity = image.intensity(height, width, name)[0].double().cpu()
    return ((intensity / LOWEST).log() / math.log(RATIO)).long().clamp(0, BINS)[rows][:, cols]


def _squared_error(found: Float[Tensor, "1 3 H W"], expected: Float[Tensor, "1 3 H W"]) -> Float[Tensor, "H W"]:
    """Summed over the colours; of values in [-1, 1], where the pictures' are in [0, 1]."""
    return (2 * (found - expected)).double().square().sum((0, 1)).cpu()


def _per_bin(bins: Int[Tensor, "H W"], values: Float[Tensor, "H W"]) -> Float[Tensor, " b"]:
    return bins.flatten().bincount(values.flatten(), minlength=BINS + 1)[:BINS]


def _statistics(entry: Mapping[str, Any]) -> Statistics:
    arrays = (torch.tensor(entry[key], dtype=torch.float64) for key in ("values", "squared", "worst"))
    return Statistics(entry["decode_scales"], *arrays)
