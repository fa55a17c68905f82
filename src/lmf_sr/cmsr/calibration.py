"""Calibration finds, on pictures, the modulation intensities for which a decode scale is good enough (`table.py`).

Each picture is reduced by the target scale S, then rendered at S and, with the same modulations, at a decode scale s_i that
is upsampled bilinearly to S. Pixels fall into bins b by the intensity of their nearest latent (`measures.py`), and

    E_i(b) = mean over the pixels of bin b of (upsampled_i - rendered)^2,      values in [-1, 1]

For an MSE threshold, the limit of s_i is the upper edge of the last non-empty bin before E_i first exceeds a bound, and
never more than the limit of a finer scale. There are two rules for the bound (*aggregation*):

    overall    the largest bound with which all pixels of all pictures together, those rendered in full included, keep to the
               threshold. Its levels stand by themselves (`plan.py`), so that their error is what was measured here.
    minimum    the threshold, for E_i of each picture by itself: the smallest of the pictures' limits. This is the authors'
               rule. Its levels are chained, as theirs, which adds an error at the borders of levels.

Sums and maxima per bin are kept (`Statistics`), from which a table for any threshold follows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lmf_sr.cmsr import files
from lmf_sr.cmsr.measures import PAPER, Measure
from lmf_sr.cmsr.plan import level_map
from lmf_sr.cmsr.table import NO_LIMIT, Scale2Mod, fingerprint
from lmf_sr.data import PairedImages
from lmf_sr.data.pairs import Images
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE, Grid
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.model import Model
from lmf_sr.rendering.pixel_axes import nearest_latents
from lmf_sr.rendering.tiling import Window

FORMAT = "lmf-sr calibration 2"
LOWEST, RATIO, BINS = 0.001, 1.02, 465  # bins of intensity up to 10, each 2 % wide; above, all is rendered in full
AGGREGATIONS = ("overall", "minimum")
THRESHOLD = 2e-5  # the paper's MSE
MARGIN = 1.5  # of "overall", for pictures with more places of middling intensity than the calibration's


@dataclass
class Statistics:
    """The errors found at one target scale, by decode scale and bin of intensity; float64.

    values: the number of values (three to a pixel) in each bin.
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
        """The largest intensity that each decode scale is good for; 0 where it is good for none."""
        if aggregation == "minimum":
            error = self.worst.where(~self.worst.isnan(), torch.inf)
            bins = self._good_bins(error, error.new_tensor([mse_threshold]))[:, 0]
        else:
            error = torch.where(self.values > 0, self.squared / self.values, 0.0)
            error = error.where(~error.isnan(), torch.inf)
            bins = self._good_bins(error, F.pad(error.unique(), (1, 0), value=-1.0))  # at first none is good
            sums = F.pad(self.squared.cumsum(-1), (1, 0))
            of_scales = sums.gather(1, bins) - sums.gather(1, F.pad(bins[:-1], (0, 0, 1, 0)))
            overall = of_scales.sum(0) / self.values.sum().clamp(min=1)
            bins = bins[:, (overall.cummax(0).values <= mse_threshold).sum() - 1]
        return [upper_edge(count - 1) if count else 0.0 for count in bins.tolist()]

    def _good_bins(self, error: Float[Tensor, "s b"], bounds: Float[Tensor, " n"]) -> Int[Tensor, "s n"]:
        """The number of bins each decode scale is good for, when errors up to the bound are good enough."""
        first_bad = torch.searchsorted(error.cummax(-1).values, bounds.expand(len(error), -1).contiguous(), right=True)
        seen = torch.where(self.values > 0, torch.arange(1, BINS + 1), 0)  # an empty bin is evidence of nothing
        up_to_seen = F.pad(seen.cummax(0).values, (1, 0))
        return up_to_seen[first_bad].flip(0).cummin(0).values.flip(0)


@dataclass
class Calibration:
    """The errors of one model on pictures.

    fingerprint: identifies its weights.
    model: its name, for people.
    targets: the errors at each target scale.
    images: the names of the pictures taken in.
    measure: the measure of the intensities.
    """

    fingerprint: str
    model: str
    targets: dict[float, Statistics]
    images: list[str] = field(default_factory=list)
    measure: Measure = PAPER

    @classmethod
    def empty(
        cls,
        model: Model,
        name: str,
        targets: Sequence[float],
        decode_scales: Sequence[float],
        measure: Measure = PAPER,
    ) -> Calibration:
        """A calibration that has seen no picture yet.

        Args:
            model: an LMF conversion on any encoder.
            name: the model's name, for people.
            targets: target scales, above 4.
            decode_scales: decode scales; each target gets those below it.
            measure: what intensities are to be.

        Raises:
            InputError: scales that make no sense.
        """
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
        return cls(fingerprint(model), name, by_target, measure=measure)

    @property
    def scales(self) -> dict[float, list[float]]:
        """The decode scales of each target."""
        return {target: statistics.decode_scales for target, statistics in self.targets.items()}

    def take(self, model: Model, images: PairedImages, name: str) -> None:
        """Takes in one picture of a set. Raises InputError if it cannot be read or is too small for a target scale."""
        found = {
            scale: coarse_errors(model, images.pair(name, scale).lr_picture, scale, s.decode_scales)
            for scale, s in self.targets.items()
        }
        for scale, errors in found.items():
            self.targets[scale].add(*errors.binned(self.measure))
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
        return Scale2Mod.from_limits(
            targets,
            mse_threshold=mse_threshold,
            aggregation=aggregation,
            images=len(self.images),
            fingerprint=self.fingerprint,
            model=self.model,
            chained=aggregation == "minimum",
            measure=self.measure,
        )

    def save(self, path: str | Path) -> None:
        """Writes a .json file, atomically."""
        content = {
            "format": FORMAT,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "measure": self.measure.content(),
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
        files.write(path, content)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads what `save` wrote. Raises InputError for a file that holds no calibration."""
        return cls.from_content(files.read_kind(path, files.CALIBRATION), path)

    @classmethod
    def from_content(cls, content: Mapping[str, Any], path: str | Path) -> Calibration:
        """The calibration in a file's content."""
        if content.get("format") != FORMAT:
            raise InputError(f"{path} has format {content.get('format')!r}, not {FORMAT!r}: calibrate anew")
        try:
            targets = {float(target): _statistics(entry) for target, entry in content["targets"].items()}
            measure = Measure.from_content(content.get("measure"))
            return cls(content["fingerprint"], content["model"], targets, content["images"], measure)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} holds no calibration: {error!r}") from error


def calibrate(
    calibration: Calibration,
    model: Model,
    images: PairedImages,
    path: Path,
    after_image: Callable[[], None] = lambda: None,
) -> None:
    """Takes in the pictures of a set that are missing, and writes the file after each, so that nothing is lost."""
    for name in images.names():
        if name not in calibration.images:
            calibration.take(model, images, name)
            calibration.save(path)
        after_image()


def upper_edge(number: int) -> float:
    """The intensity at which a bin ends."""
    return float(f"{LOWEST * RATIO ** (number + 1):.4g}")


def evenly_spread(photographs: Images, count: int) -> Images:
    """`count` photographs, evenly spread over all; all of them if there are no more.

    Their names lose their folders, unless two would then be the same.
    """
    names = list(photographs)
    if count < len(names):
        names = [names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)]
    alike = Counter(Path(name).name for name in names)
    return {Path(name).name if alike[Path(name).name] == 1 else name: photographs[name] for name in names}


class CoarseErrors(NamedTuple):
    """The errors that rendering a picture at coarse scales makes, by LR position.

    scale: the target scale.
    decode_scales: the coarse scales.
    state: the state of the picture, whose latents the errors belong to.
    lr: the picture, normalised.
    values: the number of values (three to a pixel) that have the latent as their nearest.
    squared: the sum of their squared errors, for each decode scale; values in [-1, 1].
    """

    scale: float
    decode_scales: tuple[float, ...]
    state: LMFState
    lr: Float[Tensor, "1 3 h w"]
    values: Float[Tensor, "h w"]
    squared: Float[Tensor, "s h w"]

    def intensity(self, measure: Measure) -> Float[Tensor, "h w"]:
        """The intensity by a measure, in float64 on the CPU."""
        whole = Window.whole((self.lr.shape[-2], self.lr.shape[-1]))
        return measure.intensity(self.state, self.lr, whole)[0].double().cpu()

    def by_table(self, table: Scale2Mod) -> tuple[float, int]:
        """The squared error of the picture by a table, and the pixels rendered for it, without rendering any.

        It is exact where levels stand by themselves, and their scales are among the decode scales.
        """
        h, w = self.values.shape
        plan = table.plan(Grid.over(round(self.scale * h), round(self.scale * w)), (h, w))
        intensity = self.intensity(table.measure)[None]
        numbers = level_map(intensity, plan.levels)[0]
        squared = sum(
            float(self.squared[self.decode_scales.index(level.scale)][numbers == number].sum())
            for number, (level, grid) in enumerate(zip(plan.levels, plan.grids, strict=True))
            if grid is not plan.target
        )
        return squared, sum(mask.pixel_count() for mask in plan.chosen(intensity))

    def binned(self, measure: Measure) -> tuple[Float[Tensor, " b"], Float[Tensor, "s b"]]:
        """Values and squared errors per bin of intensity; those of intensities above all bins are left out."""
        intensity = self.intensity(measure)
        bins = ((intensity / LOWEST).log() / math.log(RATIO)).long().clamp(0, BINS).flatten()
        values, *squared = (bins.bincount(x.flatten(), minlength=BINS + 1)[:BINS] for x in (self.values, *self.squared))
        return values, torch.stack(squared)


@torch.inference_mode()
def coarse_errors(
    model: Model, picture: Float[Tensor, "3 h w"], scale: float, decode_scales: Sequence[float]
) -> CoarseErrors:
    """The errors of one picture, RGB in [0, 1], at one target scale."""
    image = model.encode(picture)
    height, width = (round(side * scale) for side in image.size)
    grid = Grid.over(height, width)
    rows, cols = nearest_latents(grid, image.size)
    latents = (rows[:, None] * image.size[1] + cols).flatten()

    def per_latent(of_pixels: Float[Tensor, "H W"]) -> Float[Tensor, "h w"]:
        return latents.bincount(of_pixels.flatten(), minlength=image.size[0] * image.size[1]).view(image.size)

    full = image.render(height, width, clamp=False)
    tables = (single_scale_table(scale, s).bound_to(model) for s in decode_scales)
    squared = [
        per_latent(_squared_error(image.render(height, width, clamp=False, cmsr=table), full)) for table in tables
    ]
    values = per_latent(torch.full((height, width), 3, dtype=torch.float64))
    state = image.encoded.state(image.encoded.cell(grid))
    return CoarseErrors(scale, tuple(decode_scales), state, image.encoded.lr, values, torch.stack(squared))


def single_scale_table(target: float, scale: float) -> Scale2Mod:
    """The table by which everything is rendered at one decode scale."""
    return Scale2Mod.from_limits({target: {scale: NO_LIMIT}})


def table_from(path: str | Path, mse_threshold: float | None, aggregation: str) -> Scale2Mod:
    """The table in a file of either kind, or the one that a calibration makes for a threshold (the paper's, if None).

    Raises:
        InputError: a file that holds neither, or a table that was made for another threshold.
    """
    kind, content = files.read(path)
    if kind == files.CALIBRATION:
        threshold = THRESHOLD if mse_threshold is None else mse_threshold
        return Calibration.from_content(content, path).table(threshold, aggregation)
    table = Scale2Mod.from_content(content, path)
    if mse_threshold is not None and table.mse_threshold is not None and table.mse_threshold != mse_threshold:
        raise InputError(
            f"{path} was made for an MSE threshold of {table.mse_threshold:g}, not {mse_threshold:g}: "
            "leave the threshold out, or use a calibration, which serves any"
        )
    return table


def _squared_error(found: Float[Tensor, "1 3 H W"], expected: Float[Tensor, "1 3 H W"]) -> Float[Tensor, "H W"]:
    """The squared error of each pixel, summed over the colours, for values in [-1, 1]; the pictures' are in [0, 1]."""
    return (2 * (found - expected)).double().square().sum((0, 1)).cpu()


def _statistics(entry: Mapping[str, Any]) -> Statistics:
    arrays = (torch.tensor(entry[key], dtype=torch.float64) for key in ("values", "squared", "worst"))
    return Statistics(entry["decode_scales"], *arrays)
