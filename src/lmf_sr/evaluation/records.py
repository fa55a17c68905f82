"""Result records: what one evaluation or profile found, and all that is needed to judge or repeat it, as one JSON file.

    {"schema": 1, "verb": "evaluate", "model": "edsr-baseline lm-liif",
     "configuration": {...}, "environment": {"versions": {...}, "revision": ..., "hardware": {...}},
     "seed": 0, "started": "2025-03-01T12:00:00+00:00", "duration_s": 41.2,
     "results": [{"scale": 4.0, "set": "Set5", "metrics": {"psnr": 30.1, "ssim": 0.86},
                  "images": {"baby": {"psnr": ..., "ssim": ...}}, "failures": {}}]}

Values that JSON lacks are written as strings ("inf": the PSNR of equal images).
"""

import json
import math
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError

SCHEMA = 1
PACKAGES = ("lmf-sr", "torch", "lightning", "hydra-core", "torchmetrics", "fvcore", "numpy", "pillow", "scikit-image")

Metrics = dict[str, int | float]
"""By name; the names and their units are those of `tables.COLUMNS`."""


@dataclass(frozen=True)
class Result:
    """What was found at one scale, on one set if it took images."""

    scale: float
    metrics: Metrics
    set: str | None = None
    images: dict[str, Metrics] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # image: why it could not be evaluated


@dataclass(frozen=True)
class Record:
    """One run of one model."""

    verb: str
    model: str  # as the tables name it
    results: list[Result]
    configuration: dict[str, Any]
    seed: int
    started: str  # ISO 8601
    duration_s: float
    environment: dict[str, Any]
    schema: int = SCHEMA


class Stopwatch:
    """The moment a run started."""

    def __init__(self) -> None:
        self.started = datetime.now(timezone.utc)

    def record(
        self, verb: str, model: str, results: list[Result], configuration: dict[str, Any], seed: int = 0
    ) -> Record:
        """The record of a run that ends now, here."""
        duration = (datetime.now(timezone.utc) - self.started).total_seconds()
        started = self.started.isoformat(timespec="seconds")
        return Record(verb, model, results, configuration, seed, started, duration, environment())


def environment() -> dict[str, Any]:
    """Versions, the git revision of a checkout, and the machine."""
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "revision": _git_revision(),
        "hardware": {
            "machine": platform.machine(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def write_record(record: Record, path: Path) -> None:
    """Writes a record; never a half-written one."""
    with replacing(path) as file:
        file.write(json.dumps(_finite(asdict(record)), indent=1, allow_nan=False).encode())


def read_record(path: Path) -> Record:
    """Reads a record. Raises InputError for a file that is not one, or of another schema."""
    try:
        content = json.loads(path.read_text())
        schema = content["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a result record: {error!r}") from error
    if schema != SCHEMA:
        raise InputError(f"{path} is a result record of schema {schema}, but this version reads schema {SCHEMA}")
    try:
        return Record(**{**content, "results": [_read_result(result) for result in content["results"]]})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is a damaged result record: {error!r}") from error


def _read_result(result: dict[str, Any]) -> Result:
    images = {name: _read_metrics(metrics) for name, metrics in result["images"].items()}
    return Result(**{**result, "metrics": _read_metrics(result["metrics"]), "images": images})


def _read_metrics(metrics: dict[str, Any]) -> Metrics:
    return {name: float(value) for name, value in metrics.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """The commit of the checkout this file lies in, marked where it has uncommitted changes; None outside of one."""
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
