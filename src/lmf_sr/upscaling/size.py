"""The size that a picture becomes: a factor, or a width and a height."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from lmf_sr.errors import InputError


@dataclass(frozen=True)
class TargetSize:
    """A factor, or sides in pixels, of which one may follow from the other.

    Args:
        scale: at least 1; or None.
        width, height: sides in pixels; 0 where it follows from the other by the picture's aspect.
    """

    scale: float | None = None
    width: int = 0
    height: int = 0

    @classmethod
    def parse(cls, text: str) -> "TargetSize":
        """Reads `1920x1080`, `1920x` or `x1080`. Raises InputError for anything else."""
        if not re.fullmatch(r"[1-9]\d*x([1-9]\d*)?|x[1-9]\d*", text):
            raise InputError(f"{text!r} is no size: it must be WxH, Wx or xH, as in 1920x1080, 1920x or x1080")
        width, height = (int(side or 0) for side in text.split("x"))
        return cls(width=width, height=height)

    def __post_init__(self) -> None:
        """Raises InputError for a factor below 1."""
        if self.scale is not None and not 1 <= self.scale < math.inf:
            raise InputError(f"scale {self.scale:g} makes no picture larger: it must be a number of at least 1")

    def __str__(self) -> str:
        """The size as names of files show it: `x3.7`, `1920x1080`."""
        return f"{self.width or ''}x{self.height or ''}" if self.scale is None else f"x{self.scale:g}"

    def for_picture(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what a picture becomes. Raises InputError where that would make it smaller."""
        if self.scale is not None:
            return round(height * self.scale), round(width * self.scale)
        tall, wide = (
            self.height or round(height * self.width / width),
            self.width or round(width * self.height / height),
        )
        if tall < height or wide < width:
            raise InputError(
                f"it is {width}x{height} pixels, larger than the {wide}x{tall} asked for: nothing to upscale"
            )
        return tall, wide

    def for_file(self, path: Path, height: int, width: int) -> tuple[int, int]:
        """`for_picture`, with the file's name in the error."""
        try:
            return self.for_picture(height, width)
        except InputError as error:
            raise InputError(f"cannot upscale {path}: {error}") from None
