"""The LightningDataModule: endless training batches, and every validation image at every scale."""

import signal
from collections.abc import Sequence

import lightning
from torch.utils.data import DataLoader, Dataset, Subset

from lmf_sr.data.content import Content
from lmf_sr.data.pairs import Pair, PairedImages
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.data.sampling import Sampling
from lmf_sr.data.sources import Source


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

    Training batches never end (the trainer's `max_steps` ends a run) and follow the trainer's step, so that a resumed run
    takes up the stream where it was left. Validation batches are single `Pair`s, of which each process
    has its share, of every scale.

    Args:
        source: where the images come from.
        scales: validation scales.
        sampling: how training samples are drawn.
        batch_size: samples in a step, over all processes.
        workers: processes that prepare samples, beside each training process; 0 for none.
        seed: of the stream of samples.
        content: what is mixed among the photographs to train on; nothing unless given.
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
    ) -> None:
        super().__init__()
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
        batches = Batches(self.batch_size, batches_done, trainer.global_rank, trainer.world_size)
        return DataLoader(
            self.patches,
            batch_sampler=batches,
            num_workers=self.workers,
            pin_memory=trainer.strategy.root_device.type == "cuda",
            worker_init_fn=_leave_interrupts_to_the_parent,
        )

    def val_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        cases = range(len(self.validation))
        if len(self.validation.images) >= trainer.world_size:  # else all processes go through all of them
            cases = cases[trainer.global_rank :: trainer.world_size]
        return DataLoader(Subset(self.validation, cases), batch_size=None)


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """A terminal sends Ctrl-C to every process; the workers must live until the parent has saved its state."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
