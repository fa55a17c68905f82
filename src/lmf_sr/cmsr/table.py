"""CMSR, Controllable Multi-Scale Rendering (He & Jin, CVPR 2024, section 3.4): which latents are rendered how finely.

The *intensity* of a latent tells how busy the picture is around it, and is by choice (`INTENSITIES`)

    shift      the paper's modulation intensity: the mean of |shift modulations|
    contrast   the standard deviation of the LR picture, values in [-1, 1], in the 5 x 5 pixels around

A *Scale2Mod table* holds, for a target scale S, decode scales with the largest intensity each is good for:

    s_0 < s_1 < ... <= S,       m_1 <= m_2 <= ... <= no limit
    level i, rendered at s_i:   the latents of intensity in [m_i, m_{i+1}),   m_0 = 0

chosen so that, on the pictures of a calibration, rendering at s_i and upsampling stays within an MSE (of values in [-1, 1])
of rendering at S. Tables come from `cmsr/calibration.py` and are used by `cmsr/render.py`.

*Scales that are not tabulated.* Beyond the training scales the cell is clipped, so that all scales sample the same
continuous picture, and the error of interpolating samples at s_i grows with S towards a limit. Hence the nearest tabulated
target that is not smaller than S is the safe one; above the last, the last is taken. Either way a level that is not coarser
than both the target and S is rendered at S itself, where there is nothing to be lost. At S <= 4 CMSR is not used.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor, nn
from yaml import YAMLError

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE

AUTHORS = Path(__file__).parent / "scale2mod"  # their tables, one for each conversion
NO_LIMIT = 1.0  # in files, as in the authors' tables, the last level's intensity of 1 or more stands for any
INTENSITIES = ("shift", "contrast")
AROUND = 2  # pixels on each side that `contrast` looks at
SLACK = 1e-6  # relative; scales within it are the same


class Level(NamedTuple):
    """One decode scale, and the largest intensity rendered at it (infinite: any)."""

    scale: float
    up_to: float


@dataclass(frozen=True)
class Scale2Mod:
    """A Scale2Mod table.

    targets: for each target scale its levels, coarse to fine.
    chained: whether a level builds on the coarser ones, as in the paper, or stands by itself (`cmsr/render.py`).
    intensity: which of `INTENSITIES` its limits are for.
    mse_threshold: the MSE it was made for, of values in [-1, 1].
    aggregation: over calibration images, "minimum" (the authors') or another (`cmsr/calibration.py`).
    images: how many images it was made from.
    fingerprint: of the weights it was made for; None for a table that is bound to none, such as the authors'.
    model: the name of what it was made for, for people.
    """

    targets: Mapping[float, tuple[Level, ...]]
    intensity: str = "shift"
    mse_threshold: float | None = None
    aggregation: str | None = None
    images: int | None = None
    fingerprint: str | None = None
    model: str | None = None
    chained: bool = True

    def __post_init__(self) -> None:
        """Raises InputError for a table that makes no sense, naming the entry."""
        if not self.targets:
            raise InputError("a Scale2Mod table needs at least one target scale")
        check_intensity(self.intensity)
        for target, levels in self.targets.items():
            _check(target, levels)

    @classmethod
    def of(cls, targets: Mapping[Any, Mapping[Any, Any]], **about: Any) -> Scale2Mod:
        """A table as the authors write one: `{target: {decode scale: largest intensity}}`, 1 for no limit.

        >>> Scale2Mod.of({6: {1: 0.32, 2: 0.41, 4: 0.55, 6: 1}}).levels(6.0)[-1]
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

    def check(self, model: nn.Module) -> None:
        """Raises InputError if the table was made for other weights than the model's."""
        if self.fingerprint is not None and self.fingerprint != (found := fingerprint(model)):
            raise InputError(
                f"the Scale2Mod table was made for weights {self.fingerprint} ({self.model}), but the model's are {found}: "
                "make one for this model with lmf-sr calibrate"
            )

    def save(self, path: str | Path) -> None:
        """Writes a .yaml or .json file, atomically."""
        content = {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "intensity": self.intensity,
            "mse_threshold": self.mse_threshold,
            "aggregation": self.aggregation,
            "images": self.images,
            "chained": self.chained,
            "targets": {
                _plain(target): {
                    _plain(level.scale): NO_LIMIT if level.up_to == math.inf else level.up_to for level in levels
                }
                for target, levels in self.targets.items()
            },
        }
        as_json = Path(path).suffix == ".json"
        text = json.dumps(content, indent=1) if as_json else OmegaConf.to_yaml(OmegaConf.create(content))
        with replacing(path) as file:
            file.write(text.encode())

    @classmethod
    def load(cls, path: str | Path) -> Scale2Mod:
        """Reads what `save` wrote. Raises InputError for a file that holds no table."""
        return cls.from_content(read_mapping(path, "Scale2Mod table"), path)

    @classmethod
    def from_content(cls, content: Mapping[str, Any], path: str | Path) -> Scale2Mod:
        """The table in a file's content."""
        try:
            threshold = content.get("mse_threshold")
            return cls.of(
                content["targets"],
                intensity=content.get("intensity", "shift"),
                mse_threshold=None if threshold is None else float(threshold),
                chained=bool(content.get("chained", True)),
                **{key: content.get(key) for key in ("aggregation", "images", "fingerprint", "model")},
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} holds no Scale2Mod table: {error!r}") from error


def authors_file(decoder: str) -> Path:
    """The file of the authors' table for a conversion's name, made for their weights with EDSR-baseline and an MSE of 2e-5.

    It carries no fingerprint: whether it suits other weights is for the user to judge.
    """
    path = AUTHORS / f"{decoder}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in AUTHORS.glob("*.yaml")))
        raise InputError(f"the authors published no Scale2Mod table for {decoder!r}, only for {known}")
    return path


def contrast(lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B h w"]:
    """The standard deviation of a picture around each pixel; over the colours, the root of the mean variance."""
    (h, w), side = lr.shape[-2:], 2 * AROUND + 1
    padded = F.pad(lr, [AROUND] * 4, mode="replicate")
    both = torch.cat([padded, padded.square()])
    lines = both[..., :h, :].clone()  # sums of shifted pictures take half the time of avg_pool2d
    for i in range(1, side):
        lines += both[..., i : i + h, :]
    sums = lines[..., :w].clone()
    for i in range(1, side):
        sums += lines[..., i : i + w]
    mean, square = (sums / side**2).chunk(2)
    return (square - mean.square()).clamp(min=0).mean(1).sqrt()


def check_intensity(name: str) -> None:
    """Raises InputError for a name that is none of `INTENSITIES`."""
    if name not in INTENSITIES:
        raise InputError(f"there is no intensity {name!r}; choose one of {', '.join(INTENSITIES)}")


def level_map(intensity: Float[Tensor, "B h w"], levels: tuple[Level, ...]) -> Int[Tensor, "B h w"]:
    """The number of the level each latent is rendered at. At a limit itself the finer level is taken."""
    limits = intensity.new_tensor([level.up_to for level in levels[:-1]])
    return torch.bucketize(intensity.contiguous(), limits, right=True)


def fingerprint(model: nn.Module) -> str:
    """Identifies a model's weights: 16 hexadecimal digits of a SHA-256 over names and values."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_mapping(path: str | Path, kind: str) -> dict[str, Any]:
    """The content of a YAML or, by its suffix, JSON file. Raises InputError if there is none, or it is no mapping and so
    no `kind`, which is what the message calls it."""
    path = Path(path)
    content: Any
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
        else:
            content = OmegaConf.to_container(OmegaConf.load(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'it holds no mapping'}") from error
    except (ValueError, YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"{path} is neither YAML nor JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no {kind}: its content is {type(content).__name__}, not a mapping")
    return content


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
    """6 rather than 6.0, as people write scales."""
    return int(number) if number.is_integer() else number
