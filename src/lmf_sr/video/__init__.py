"""Clips from and to files, one frame at a time, by PyAV, which is FFmpeg's libraries for Python.

    path --reading.Clip--> frames, and packets of sound --writing.ClipWriter--> path

PyAV is an extra. This file does without it, and knows clips by their names alone.
"""

import os
from pathlib import Path

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".f4v", ".mpg", ".mpeg", ".vob", ".ts"),
    *(".mts", ".m2ts", ".3gp", ".3g2", ".ogv", ".y4m", ".mxf", ".rm"),
)
WRITTEN = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's name of the container, for each suffix that is written."""


def is_clip(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of a clip."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES
