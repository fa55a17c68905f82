"""A trainer of a few steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from tiny_training import tiny_trainer


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """A trainer for `steps` steps that keeps `tmp_path/<name>/last.ckpt`."""

    def make(steps: int, name: str = "run", *callbacks: Callback, **options: Any) -> Trainer:
        return tiny_trainer(tmp_path / name, steps, *callbacks, **options)

    return make
