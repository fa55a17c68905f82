"""Checkpoint files: written completely or not at all, read without running code."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from lmf_sr.atomic import replacing
from lmf_sr.errors import InputError
from lmf_sr.unpickling import unpickle


class CheckpointFiles(TorchCheckpointIO):
    """The trainer's way to write and read checkpoints.

    Lightning's own way writes to the temporary folder and moves the file, which between disks is a copy that a kill cuts
    short, and reads with unrestricted pickle.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Raises InputError if the file cannot be written."""
        content = io.BytesIO()  # PyTorch would make a RuntimeError of a full disk
        torch.save(checkpoint, content)
        with replacing(path) as file:
            file.write(content.getbuffer())

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Raises InputError for a file that is no checkpoint of a training run, or would run code."""
        if not Path(path).is_file():
            raise InputError(f"there is no checkpoint file {str(path)!r} to resume from")
        content = unpickle(Path(path))
        if not (isinstance(content, dict) and {"state_dict", "loops", "hyper_parameters"} <= content.keys()):
            raise InputError(
                f"{path} holds weights but no state of a training run: resume from a .ckpt of lmf-sr train"
            )
        return content
