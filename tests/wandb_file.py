"""Reads an offline W&B run, whose file is a LevelDB log of protobuf records behind a header of 7 bytes."""

import json
import struct
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
HEADER = struct.Struct("<IHB")  # checksum, length, kind: 1 a whole record, 2 its first part, 3 a middle one, 4 its last


class OfflineRun:
    """The content that `wandb sync` would send of a run's file."""

    def __init__(self, path: Path) -> None:
        self.records = [Record.FromString(record) for record in _whole(path.read_bytes())]
        (run,) = self._of_kind("run") or [Record().run]
        self.group, self.name = run.run_group, run.display_name
        self.closed = len(self._of_kind("exit")) == 1

    def _of_kind(self, kind: str) -> list[Any]:
        return [getattr(record, kind) for record in self.records if record.WhichOneof("record_type") == kind]

    @cached_property
    def configuration(self) -> dict[str, Any]:
        updates = [*(run.config for run in self._of_kind("run")), *self._of_kind("config")]
        return {key: value for update in updates for key, value in _items(update.update).items()}

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        return [_items(row.item) for row in self._of_kind("history")]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The last value of each metric that has a summary, and the values that were added to it."""
        silent = {metric.name for metric in self._of_kind("metric") if metric.summary.none}
        found = {key: value for row in self.history for key, value in row.items() if key not in silent}
        return found | {k: v for s in self._of_kind("summary") for k, v in _items(s.update).items()}

    @cached_property
    def x_axes(self) -> dict[str, str]:
        """The metric against which each metric is drawn."""
        return {metric.name: metric.step_metric for metric in self._of_kind("metric") if metric.step_metric}

    def table(self, name: str) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows of the last table of a name; pictures are their files."""
        artifact = [a for a in self._of_kind("artifact") if a.name.endswith(f"-{name}")][-1]
        files = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
        content = json.loads(files[f"{name}.table.json"].read_text())
        data = [[files[cell["path"]] if isinstance(cell, dict) else cell for cell in row] for row in content["data"]]
        return content["columns"], data


def the_run_in(folder: Path) -> OfflineRun:
    """The one offline run in a job's folder; W&B's service may write it a moment after the job has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if logs := [*folder.glob("wandb/offline-run-*/run-*.wandb")]:
            (log,) = logs
            if (run := OfflineRun(log)).closed:
                return run
        time.sleep(0.2)
    raise AssertionError(f"no W&B run in {folder} has ended")


def _items(items: Iterable[Any]) -> dict[str, Any]:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def _whole(log: bytes) -> Iterator[bytes]:
    at, parts = 7, b""
    while at + HEADER.size <= len(log):
        if BLOCK - at % BLOCK < HEADER.size:  # too short a rest of a block is padding
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(log, at)
        at += HEADER.size
        parts += log[at : at + length]
        at += length
        if kind in (1, 4):
            yield parts
            parts = b""
