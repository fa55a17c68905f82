"""The LightningDataModule: endless training batches, and every validation image at every scale."""

import signal
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from lmf_sr.data.content import Content
from lmf_sr.data.device_samples import Cuts, CutsOfPatches, DeviceSamples, bytes_of
from lmf_sr.data.pairs import Pair, PairedImages
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.data.sampling import Sampling
from lmf_sr.data.sources import Source
from lmf_sr.errors import InputError

PLACES = ("auto", "workers", "device")
MOST_OF_FREE = 0.5  # share of a device's free memory that pictures may take with made_on="auto"


class Validation(Dataset[Pair]):
    """Each image at each scale."""

    def __init__(self, images: PairedImages, scales: Sequence[float]) -> None:
        """Raises InputError, now rather than hours later, if an image is too small for a scale or lacks its LR image."""
        self.images = images
        self.cases = [(name, scale) for scale in scales for name in images.names()]
        self.hr_sizes = {case: images.hr_size(*case) for case in self.cases}

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> Pair:
        return self.images.pair(*self.cases[index])


class SuperResolutionData(lightning.LightningDataModule):
    """Samples to train on and pairs to validate on.

    Training batches never end (the trainer's `max_steps` ends a run) and follow the trainer's step, so that a resumed
    run takes up the stream where it was left. Validation batches are single `Pair`s. Each process has its share of them,
    at every scale.

    Args:
        source: the images.
        scales: the validation scales.
        sampling: the rule by which training samples are drawn.
        batch_size: samples in a step, over all processes.
        workers: processes that prepare samples, beside each training process; 0 for none.
        seed: the seed of the stream of samples.
        content: patterns and pictures to mix among the photographs; None for none.
        made_on: "workers", "device" for the device that trains, or "auto" for a GPU whose memory holds the pictures and
            leaves half of it, else for workers.

    Raises:
        InputError: for another `made_on`.
    """

    def __init__(
        self,
        source: Source,
        scales: Sequence[float],
        sampling: Sampling | None = None,
        batch_size: int = 16,
        workers: int = 2,
        seed: int = 0,
        content: Content | None = None,
        made_on: str = "auto",
    ) -> None:
        super().__init__()
        if made_on not in PLACES:
            raise InputError(f"samples cannot be made on {made_on!r}: choose one of {', '.join(PLACES)}")
        self.made_on = made_on
        self.source, self.scales = source, scales
        self.sampling = sampling or Sampling()
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self.content = content

    def setup(self, stage: str) -> None:
        """Decodes the images. Raises InputError if one cannot be read or is too small."""
        if stage == "fit":
            self.patches = Patches(self.source.training(), self.sampling, self.seed, self.content)
        self.validation = Validation(self.source.validation().decoded(self.scales), self.scales)

    def train_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        batches_done = trainer.global_step * trainer.accumulate_grad_batches
        device = trainer.strategy.root_device
        batches = Batches(self.batch_size, batches_done, trainer.global_rank, trainer.world_size)
        options: dict[str, Any] = {
            "batch_sampler": batches,
            "num_workers": self.workers,
            "pin_memory": device.type == "cuda",
            "worker_init_fn": _leave_interrupts_to_the_parent,
        }
        if not self._made_on_device(device):
            return DataLoader(self.patches, **options)
        self.device_samples = DeviceSamples(self.patches, device)
        return DataLoader(CutsOfPatches(self.patches), collate_fn=_as_it_is, **options)

    def _made_on_device(self, device: torch.device) -> bool:
        """Raises InputError if the pictures are asked for on a GPU whose memory does not hold them."""
        if device.type != "cuda" or self.made_on == "workers":
            return self.made_on == "device"
        needed, free = bytes_of(self.patches), torch.cuda.mem_get_info(device)[0]
        if self.made_on == "device" and needed > free:
            raise InputError(
                f"the photographs take {needed / 1e9:.1f} GB, of which {device} has {free / 1e9:.1f} free: let workers make "
                "the samples, by samples_made_on=workers"
            )
        return self.made_on == "device" or needed <= MOST_OF_FREE * free

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Makes the samples where only their cuts have come to the device."""
        return self.device_samples.make(batch) if isinstance(batch, Cuts) else batch

    def val_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        cases = range(len(self.validation))
        if len(self.validation.images) >= trainer.world_size:  # else all processes go through all of them
            cases = cases[trainer.global_rank :: trainer.world_size]
        return DataLoader(Subset(self.validation, cases), batch_size=None)


def _as_it_is(batch: Any) -> Any:
    """The collation of a batch that is one already."""
    return batch


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """A terminal sends Ctrl-C to every process; the workers must live until the parent has saved its state."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
