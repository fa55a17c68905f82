"""Training samples and steps a second, and what a step does besides: synchronisations, operations, memory.

    made on the device    batches of samples from their cuts, which lie on the device (`data/device_samples.py`)
    cuts drawn            what workers hand over for that
    made by workers       the samples that workers would make instead

A step is that of `lmf-sr train experiment=gpu`, the whole loop: the cuts from the workers, the samples, bfloat16, Muon, the
schedule by time, the look at the losses, the log, the callbacks. Steps are timed, and then counted, over one interval of
the log each. On a GPU a synchronisation is what PyTorch warns of (`torch.cuda.set_sync_debug_mode`). A CPU has none; there
the operations are counted that hand a number or a size to Python, for which a GPU would be waited for.
"""

import logging
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from benchmarks.gpu.measuring import milliseconds, synchronize
from benchmarks.gpu.running import Case, Row, Setup
from lmf_sr.building import build
from lmf_sr.data import Content, Embedded, Sampling
from lmf_sr.data.datamodule import SuperResolutionData
from lmf_sr.data.device_samples import CutsOfPatches, DeviceSamples
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.jobs.settings import as_dict
from lmf_sr.paths import CONF
from lmf_sr.training.learner import SuperResolution

ENCODERS = ("edsr-baseline", "rlfn")
DECODER = "lm-liif"
ON_DEVICE, CUTS, BY_WORKERS = "made on the device", "cuts drawn", "made by workers"
WARMUP = 20  # steps
BATCHES = 30  # that workers are timed for
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_consecutive"}
ONLY_VIEWS = {"view", "expand", "slice", "select", "transpose", "t", "permute", "unsqueeze", "squeeze", "detach", "split",
              "split_with_sizes", "unbind", "as_strided", "alias", "_unsafe_view", "reshape", "unfold"}  # fmt: skip


def configured(setup: Setup, *overrides: str) -> DictConfig:
    """The settings of `experiment=gpu`."""
    tiny = ["encoder.n_resblocks=1", "encoder.n_feats=8", "sampling.patch=8", "sampling.queries=32", "batch_size=4"]
    small = [*tiny, "workers=0", "trainer.log_every_n_steps=5"]
    accelerator = "gpu" if setup.device == "cuda" else "cpu"
    given = ["experiment=gpu", "data=embedded", f"trainer.accelerator={accelerator}", f"decoder={DECODER}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*given, *(small if setup.small else []), *overrides])


def samples(setup: Setup) -> list[Case]:
    return [(ON_DEVICE,), (CUTS,), (BY_WORKERS,)]


def measure_samples(setup: Setup, case: Case) -> Row:
    """Samples a second."""
    cfg = configured(setup)
    sampling: Sampling = instantiate(cfg.sampling)
    content: Content = instantiate(cfg.content)
    patches = Patches(Embedded().training(), sampling, seed=0, content=content)
    (way,) = case
    cuts = CutsOfPatches(patches)
    about: Row = {"batch": cfg.batch_size, "patch": sampling.patch, "workers": cfg.workers}
    if way == ON_DEVICE:
        device = torch.device(setup.device)
        numbers = list(range(cfg.batch_size))
        batch = cuts.__getitems__(numbers)
        on_device = type(batch)(*(part.to(device) for part in batch))
        makes = DeviceSamples(patches, device)
        ms = milliseconds(lambda: makes.make(on_device), setup)
        return {**about, "samples_per_s": 1e3 * cfg.batch_size / ms}
    options: dict[str, Any] = {"batch_sampler": Batches(cfg.batch_size), "num_workers": cfg.workers}
    by_workers = way == BY_WORKERS
    loader = DataLoader(patches, **options) if by_workers else DataLoader(cuts, collate_fn=_as_it_is, **options)
    batches = iter(loader)
    count = 2 if setup.small else BATCHES
    for _ in islice(batches, max(2 * cfg.workers, 1)):  # those that workers have made as they started
        pass
    begin = time.perf_counter()
    for _ in islice(batches, count):
        pass
    return {**about, "samples_per_s": count * cfg.batch_size / (time.perf_counter() - begin)}


def _as_it_is(batch: Any) -> Any:
    return batch


def steps(setup: Setup) -> list[Case]:
    return [(encoder,) for encoder in (ENCODERS[:1] if setup.small else ENCODERS)]


def measure_steps(setup: Setup, case: Case, compiled: bool = False) -> Row:
    """Steps a second of an encoder with LM-LIIF, and what is counted in them."""
    (encoder,) = case
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    cfg = configured(setup, f"encoder={encoder}")
    torch.manual_seed(0)
    model = build(as_dict(cfg.encoder), as_dict(cfg.decoder))
    if compiled:
        model.compile(dynamic=False)  # as `lmf-sr train compile=true` does
    interval = cfg.trainer.log_every_n_steps
    learner = SuperResolution(
        model,
        *(instantiate(cfg[part]) for part in ("optimizer", "schedule", "loss")),
        checked_every=interval if setup.device == "cpu" else None,  # as on a GPU
    )
    content = instantiate(cfg.content)
    data = SuperResolutionData(
        instantiate(cfg.data),
        [2.0],
        instantiate(cfg.sampling),
        cfg.batch_size,
        cfg.workers,
        0,
        content,
        cfg.samples_made_on,
    )
    meter = Meter(setup, interval if setup.small else max(WARMUP, interval), interval, count=not compiled)
    with TemporaryDirectory() as folder:
        cfg.trainer.default_root_dir = folder
        cfg.trainer.max_steps = meter.last
        cfg.callbacks.best.dirpath, cfg.callbacks.last.path = folder, str(Path(folder) / "last.ckpt")
        trainer: Trainer = instantiate(
            cfg.trainer,
            limit_val_batches=0,
            logger=CSVLogger(folder),
            callbacks=[meter, *instantiate(cfg.callbacks).values()],
        )
        trainer.fit(learner, data, weights_only=True)
    return {
        "encoder": encoder,
        "batch": cfg.batch_size,
        "patch": cfg.sampling.patch,
        "precision": cfg.trainer.precision,
        "steps_per_s": meter.steps / meter.seconds,
        "samples_per_s": meter.steps * cfg.batch_size / meter.seconds,
        "peak_bytes": meter.peak,
        "counted_steps": meter.steps,
        "operations": meter.operations,
        "synchronisations": None if compiled else meter.waits.total(),
        "waiting_steps": None if compiled else len(meter.waiting_steps),
        "where": dict(meter.waits.most_common()),
    }


def measure_compiled_steps(setup: Setup, case: Case) -> Row:
    """Measures steps with compile=true. Nothing is counted, because counting would break the graph."""
    return measure_steps(setup, case, compiled=True)


class Meter(Callback):
    """Times the steps of one interval, and counts in those of the next.

    Args:
        setup: where.
        warmup: steps before them.
        steps: of an interval.
        count: whether to count.
    """

    def __init__(self, setup: Setup, warmup: int, steps: int, count: bool) -> None:
        self.setup, self.warmup, self.steps, self.count = setup, warmup, steps, count
        self.last = warmup + (2 if count else 1) * steps
        self.seconds = 0.0
        self.peak: int | None = None
        self.waits: Counter[str] = Counter()
        self.step = 0
        self.waiting_steps: set[int] = set()
        self.operations: int | None = None
        self.counting = ExitStack()

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.step = trainer.global_step
        if self.step == self.warmup:
            synchronize(self.setup)
            if self.setup.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            self.begin = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        # Between the ends of two steps lies all that a step does, the next batch and the callbacks included.
        if trainer.global_step == self.warmup + self.steps:
            synchronize(self.setup)
            self.seconds = time.perf_counter() - self.begin
            if self.setup.device == "cuda":
                self.peak = torch.cuda.max_memory_allocated()
            if self.count:
                self._start_counting()
        if trainer.global_step == self.last:
            self.counting.close()

    def on_exception(self, *_: Any) -> None:
        self.counting.close()

    def _start_counting(self) -> None:
        operations = Operations(self._note if self.setup.device == "cpu" else None)
        if self.setup.device == "cuda":
            self.counting.enter_context(warnings.catch_warnings())
            warnings.simplefilter("always")
            warnings.showwarning = self._note_warning  # type: ignore[assignment]
            torch.cuda.set_sync_debug_mode("warn")
            self.counting.callback(torch.cuda.set_sync_debug_mode, "default")
        self.counting.enter_context(operations)
        self.counting.callback(lambda: setattr(self, "operations", operations.count))

    def _note_warning(self, message: Warning | str, *_: Any) -> None:
        if "synchronizing CUDA operation" in str(message):
            self._note()

    def _note(self) -> None:
        self.waits[place()] += 1
        self.waiting_steps.add(self.step)


class Operations(TorchDispatchMode):
    """Counts operations, each of which a GPU has some kernels for, and notes those that it would be waited for at.

    Args:
        note: is told of these; None for not looking for them.
    """

    def __init__(self, note: Callable[[], None] | None) -> None:
        super().__init__()
        self.count, self.note = 0, note

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        self.count += name not in ONLY_VIEWS
        if self.note is not None:
            masked = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
            if name in WAITING or masked:
                self.note()
        return func(*args, **(kwargs or {}))


def place() -> str:
    """The line of lmf-sr, or else of Lightning, that runs."""
    for frame in reversed(traceback.extract_stack()):
        for package in ("lmf_sr", "lightning"):
            _, found, file = frame.filename.rpartition(f"/{package}/")
            if found:
                return f"{package}/{file}:{frame.lineno}"
    return "elsewhere"
