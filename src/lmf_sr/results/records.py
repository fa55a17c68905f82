"""Result records: the work and the measurements of a job, with all that is needed to repeat it, in one file, `result.json`.

    {"schema": 2, "verb": "evaluate", "sweep": "scales", "name": "scale-4", "status": "done", "error": null,
     "configuration": {...}, "inputs": {"last.ckpt": "sha256..."}, "seed": 0,
     "environment": {"versions": {...}, "revision": ..., "hardware": {...}},
     "started": "2025-03-01T12:00:00.000+00:00", "duration_s": 41.2,
     "results": {"edsr-baseline-lm-liif":
                   [{"scale": 4.0, "set": "Set5", "protocol": "benchmark", "lr_source": "file",
                     "metrics": {"psnr": 30.1, "ssim": 0.86},
                     "images": {"baby": {"psnr": ..., "ssim": ...}}, "failures": {}}]}}

The record is written when the job begins (`status` is "running", and stays so if the job is killed) and replaced when it
ends. Values that JSON lacks are written as strings ("inf", the PSNR of equal images).
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lmf_sr.atomic import write_text
from lmf_sr.errors import InputError

SCHEMA = 2
FILE = "result.json"
PACKAGES = ("lmf-sr", "torch", "lightning", "hydra-core", "torchmetrics", "fvcore", "numpy", "pillow", "scikit-image")

Metrics = dict[str, int | float]
"""Numbers by the names of metrics; names and units are those of `columns.METRICS`."""


@dataclass(frozen=True)
class Result:
    """The measurements of a model at one scale, on one set if images were needed."""

    scale: float
    metrics: Metrics
    set: str | None = None
    protocol: str | None = None  # the convention of PSNR and SSIM, one of `metrics.PROTOCOLS`
    lr_source: str | None = None  # the kind of its LR images, "file" or "computed" (`data/pairs.py`)
    images: dict[str, Metrics] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # image: the reason why it could not be evaluated


Results = dict[str, list[Result]]
"""The measurements of each model, by its name in tables."""


@dataclass(frozen=True)
class Record:
    """The record of a job."""

    verb: str
    sweep: str | None  # the name of its sweep's folder
    name: str  # the name of its own folder, which in a sweep says what varies
    configuration: dict[str, Any]  # complete; paths in the job's folder begin with "."
    inputs: dict[str, str]  # SHA-256 of the files that the configuration names; for a store, of its header
    seed: int
    environment: dict[str, Any]
    started: str  # ISO 8601; the last time, if the job was begun several times
    duration_s: float = 0.0  # since `started`
    status: str = "running"  # or done, failed, interrupted
    error: str | None = None
    results: Results = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)  # SHA-256 of the checkpoints in its folder: inputs of others
    schema: int = SCHEMA

    @classmethod
    def begun(
        cls, verb: str, sweep: str | None, name: str, configuration: dict[str, Any], inputs: dict[str, str]
    ) -> Record:
        """The record of a job that begins now, on this machine."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        return cls(verb, sweep, name, _finite(configuration), inputs, configuration["seed"], environment(), now)

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration by dotted keys, as they are given on the command line."""
        return flat(self.configuration)

    def ended(
        self, status: str, results: Results, error: str | None = None, outputs: dict[str, str] | None = None
    ) -> Record:
        """The record of the job as it ends now."""
        duration = datetime.now(timezone.utc) - datetime.fromisoformat(self.started)
        return replace(
            self,
            status=status,
            results=results,
            error=error,
            outputs=outputs or {},
            duration_s=duration.total_seconds(),
        )


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted keys, as they are given on the command line."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


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
    """Writes a record, whole or not at all."""
    write_text(path, json.dumps(_finite(asdict(record)), indent=1, allow_nan=False))


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
        results = {model: [*map(_read_result, found)] for model, found in content["results"].items()}
        return Record(**{**content, "results": results})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
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
