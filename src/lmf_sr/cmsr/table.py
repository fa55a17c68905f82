"""Scale2Mod tables of CMSR, Controllable Multi-Scale Rendering (He & Jin, CVPR 2024, section 3.4), and rendering by them.

The *intensity* of a latent tells how busy the picture is around it: the mean of |shift modulations|, or another measure
(`measures.py`). A table holds, for a target scale S, decode scales with the largest intensity that each is good for:

    s_0 < s_1 < ... <= S,       m_1 <= m_2 <= ... <= no limit
    level i, rendered at s_i:   the latents of intensity in [m_i, m_{i+1}),   m_0 = 0

chosen so that, on the pictures of a calibration, rendering at s_i and upsampling stays within an MSE (of values in [-1, 1])
of rendering at S. `calibration.py` makes tables; `Scale2Mod.bound_to` makes a table render a model's pictures.

*Scales that are not tabulated.* Beyond the training scales the cell is clipped, so that all scales sample the same
continuous picture, and the error of interpolating samples at s_i grows with S towards a limit. Hence the nearest tabulated
target that is not smaller than S is the safe one; above the last, the last is taken. Either way a level that is not coarser
than both the target and S is rendered at S itself, where there is nothing to be lost. At S <= 4 CMSR is not used.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.cmsr import files
from lmf_sr.cmsr.measures import PAPER, Measure
from lmf_sr.cmsr.plan import Level, Plan, scale_of, within_picture
from lmf_sr.cmsr.render import render_plan
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE, Grid, Size
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.model import Model
from lmf_sr.rendering.renderer import Band, Encoded, Renderer
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.strips import bands_of_rows, state_strips
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.value_range import ValueRange

NO_LIMIT = 1.0  # in files, as in the authors' tables, the last level's intensity of 1 or more stands for any
SLACK = 1e-6  # relative; scales within it are the same


@dataclass(frozen=True)
class Scale2Mod:
    """A Scale2Mod table.

    targets: for each target scale its levels, coarse to fine.
    mse_threshold: the MSE it was made for, of values in [-1, 1].
    aggregation: over calibration images, "minimum" (the authors') or another (`calibration.py`).
    images: the number of images that it was made from.
    fingerprint: identifies the weights that it was made for; None for a table of no weights in particular, such as the
        authors'.
    model: the name of the model that it was made for, for people.
    chained: whether a level builds on the coarser ones, as in the paper, or stands by itself (`plan.py`).
    measure: the measure of the intensities.
    """

    targets: Mapping[float, tuple[Level, ...]]
    mse_threshold: float | None = None
    aggregation: str | None = None
    images: int | None = None
    fingerprint: str | None = None
    model: str | None = None
    chained: bool = True
    measure: Measure = PAPER

    def __post_init__(self) -> None:
        """Raises InputError for a table that makes no sense, naming the entry."""
        if not self.targets:
            raise InputError("a Scale2Mod table needs at least one target scale")
        for target, levels in self.targets.items():
            _check(target, levels)

    @classmethod
    def from_limits(cls, targets: Mapping[Any, Mapping[Any, Any]], **about: Any) -> Scale2Mod:
        """A table as the authors write one: `{target: {decode scale: largest intensity}}`, 1 for no limit.

        >>> Scale2Mod.from_limits({6: {1: 0.32, 2: 0.41, 4: 0.55, 6: 1}}).levels(6.0)[-1]
        Level(scale=6.0, up_to=inf)
        """
        return cls({float(target): _levels(entries) for target, entries in targets.items()}, **about)

    def levels(self, scale: float) -> tuple[Level, ...]:
        """The levels to render a target scale with, coarse to fine; the last has no limit.

        The finest is `scale` itself, unless the table finds a coarser one good for any intensity.
        """
        if scale <= TRAINING_SCALE * (1 + SLACK):
            return (Level(scale, math.inf),)
        target = min((t for t in self.targets if t >= scale * (1 - SLACK)), default=max(self.targets))
        finest = min(target, scale) * (1 - SLACK)
        coarser = tuple(level for level in self.targets[target] if level.scale < finest)
        if coarser and coarser[-1].up_to == math.inf:
            return coarser
        return (*coarser, Level(scale, math.inf))

    def plan(self, target: Grid, lr_size: Size) -> Plan:
        """Plans the rendering of a target grid within a picture of `lr_size`."""
        return Plan.from_levels(self.levels(scale_of(target, lr_size)), self.chained, target, lr_size)

    def bound_to(self, model: Model) -> BoundTable:
        """The table, ready to render this model's pictures.

        Raises:
            InputError: a decoder without modulations, or other weights than the table was made for.
        """
        decoder = model.conversion()
        if self.fingerprint is not None and self.fingerprint != (found := fingerprint(model)):
            raise InputError(
                f"the Scale2Mod table was made for weights {self.fingerprint} ({self.model}), but the model's are {found}: "
                "make one for this model with lmf-sr calibrate"
            )
        return BoundTable(self, decoder)

    def save(self, path: str | Path) -> None:
        """Writes a .yaml or .json file, atomically."""
        content = {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "mse_threshold": self.mse_threshold,
            "aggregation": self.aggregation,
            "images": self.images,
            "chained": self.chained,
            "measure": self.measure.content(),
            "targets": {
                _plain(target): {
                    _plain(level.scale): NO_LIMIT if level.up_to == math.inf else level.up_to for level in levels
                }
                for target, levels in self.targets.items()
            },
        }
        files.write(path, content, indent=1)

    @classmethod
    def load(cls, path: str | Path) -> Scale2Mod:
        """Reads what `save` wrote. Raises InputError for a file that holds no table."""
        return cls.from_content(files.read_kind(path, files.TABLE), path)

    @classmethod
    def from_content(cls, content: Mapping[str, Any], path: str | Path) -> Scale2Mod:
        """The table in a file's content."""
        try:
            threshold = content.get("mse_threshold")
            return cls.from_limits(
                content["targets"],
                mse_threshold=None if threshold is None else float(threshold),
                chained=bool(content.get("chained", True)),
                measure=Measure.from_content(content.get("measure")),
                **{key: content.get(key) for key in ("aggregation", "images", "fingerprint", "model")},
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} holds no Scale2Mod table: {error!r}") from error


@dataclass(frozen=True)
class BoundTable:
    """A table with the decoder that it is known to fit, which `ContinuousImage.render(..., cmsr=table)` renders by."""

    table: Scale2Mod
    decoder: Conversion

    def reads(self, grid: Grid, lr_size: Size) -> Window:
        """The latents that the pixels of a grid need: those of all levels."""
        return self.table.plan(grid, lr_size).reads(lr_size)

    @torch.inference_mode()
    def intensity(self, encoded: Encoded, grid: Grid) -> Float[Tensor, "B h w"]:
        """The intensity of each latent of a whole picture, where a grid is rendered."""
        state = encoded.state(encoded.cell(grid))
        return self.table.measure.intensity(state, encoded.lr, Window.whole(encoded.size))

    def bands(
        self,
        encoded: Encoded,
        grid: Grid,
        renderer: Renderer,
        values: ValueRange,
        out: Float[Tensor, "B 3 H W"] | None = None,
    ) -> Iterator[Band]:
        """Renders a grid as `Renderer.bands` does, each place as finely as the table says.

        A window that reaches over the border is rendered in full, because there is nothing to interpolate beyond it.

        Raises:
            InputError: a picture of another model.
        """
        if encoded.decoder is not self.decoder:
            raise InputError(
                "the Scale2Mod table is bound to another model: bind it to this one, table.bound_to(model)"
            )
        if not within_picture(grid):
            yield from renderer.bands(encoded, grid, values, out)
            return
        lr, size = encoded.lr, encoded.size
        scratch = Scratch(lr), Scratch(lr)
        for strip in state_strips(encoded, grid, renderer, self.reads):
            intensity = self.table.measure.intensity(strip.state, lr, strip.window)
            for rows in bands_of_rows(strip.rows, grid, renderer, len(lr)):
                plan = self.table.plan(grid.band(rows.start, rows.stop), size).framed(strip.window, size)
                rgb = lr.new_empty(len(lr), 3, *plan.target.size) if out is None else out[:, :, rows]
                render_plan(plan, strip.state, intensity, strip.window.crop(lr), renderer, scratch, rgb, values)
                yield rows, rgb


def fingerprint(model: nn.Module) -> str:
    """Identifies a model's weights: 16 hexadecimal digits of a SHA-256 over names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _levels(entries: Mapping[Any, Any]) -> tuple[Level, ...]:
    levels = [Level(float(scale), float(up_to)) for scale, up_to in entries.items()]
    if levels and levels[-1].up_to >= NO_LIMIT:
        levels[-1] = levels[-1]._replace(up_to=math.inf)
    return tuple(levels)


def _check(target: float, levels: tuple[Level, ...]) -> None:
    if not 1 <= target < math.inf:
        raise InputError(f"target scale {target:g} of a Scale2Mod table makes no picture larger: it must be at least 1")
    if not levels:
        raise InputError(f"target scale {target:g} of a Scale2Mod table has no decode scales")
    for level in levels:
        if not 1 <= level.scale <= target:
            raise InputError(f"decode scale {level.scale:g} of target scale {target:g} is not between 1 and {target:g}")
        if not level.up_to > 0:
            raise InputError(
                f"decode scale {level.scale:g} of target scale {target:g} has the intensity {level.up_to:g}: "
                "it must be positive"
            )
    for coarse, fine in pairwise(levels):
        if not (coarse.scale < fine.scale and coarse.up_to <= fine.up_to and coarse.up_to < math.inf):
            raise InputError(
                f"target scale {target:g}: decode scale {fine.scale:g} (up to {fine.up_to:g}) cannot follow "
                f"{coarse.scale:g} (up to {coarse.up_to:g}): scales must rise, and intensities must not fall"
            )


def _plain(number: float) -> int | float:
    """A scale as people write it, 6 rather than 6.0."""
    return int(number) if number.is_integer() else number
