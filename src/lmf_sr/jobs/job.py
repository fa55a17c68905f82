"""A job: one folder, one `result.json`; taken up where it was left, never done twice, never mixed with another.

    its folder holds                          with the same configuration       with another
    no record                                 it begins
    a record: done                            it is left as it is               refused
    a record: failed, interrupted, killed     it runs again, training goes on   refused

A job whose input files (a checkpoint to evaluate) have changed since is not done: it runs again.
"""

import hashlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lmf_sr.checkpoints import checkpoint_file
from lmf_sr.data.store import identity
from lmf_sr.errors import InputError
from lmf_sr.jobs.errors import explained, in_one_line, warn
from lmf_sr.results.records import FILE, Record, Results, read_record, write_record

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Outcome:
    """The results of a job, and the work that is left once the record is written.

    `after` maps a description, such as "the figures", to a function. If one fails, the user is warned, because the results
    are safe by then.
    """

    results: Results
    after: Mapping[str, Callable[[], None]] = field(default_factory=dict)


Job = Callable[[DictConfig], Outcome]
"""The work of a verb on a configuration."""

CHECKPOINT = "last.ckpt"  # in a job's folder; its training goes on from it
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # the variables that number the processes of a job
INPUTS = ("ckpt", "init", "models", "cmsr.table", "data.root")  # the settings that name files a job reads
WATCHING = ("logger",)  # the settings that change nothing in what a job finds
CHECKPOINTS = ("ckpt", "init", "models")  # the INPUTS that may also name a shipped model


def job_folder() -> Path:
    """The running job's own folder."""
    return Path(HydraConfig.get().runtime.output_dir)


def sweep_name() -> str | None:
    """The name of the folder of the running job's sweep; None for a job of its own."""
    config = HydraConfig.get()
    return Path(config.sweep.dir).name if config.mode == RunMode.MULTIRUN else None


def overrides() -> list[str]:
    """The running job's `KEY=VALUE` arguments."""
    return list(HydraConfig.get().overrides.task)


def perform(verb: str, job: Job, cfg: DictConfig) -> str | None:
    """Does the job, unless its folder holds the result already, and records how it ends. Of several processes, the first
    records.

    Returns:
        The reason why it failed, if it did; the record says the same.

    Raises:
        InputError: nothing was done, because the folder cannot be written, is in use, or holds another job.
        Exception: a job that is alone met an error that its user cannot mend. (A sweep goes on.)
    """
    if threads := _number("OMP_NUM_THREADS"):  # a launcher may set it too late for PyTorch to see
        torch.set_num_threads(threads)
    folder, sweep = job_folder(), sweep_name()
    record = Record.begun(verb, sweep, folder.name, _configuration(cfg, folder), _inputs(cfg, folder))
    first = not any(_number(rank) for rank in RANKS)
    if not first:
        if not _is_done(record, folder, cfg):
            job(cfg)
        return None
    with _locked(folder):
        if _is_done(record, folder, cfg):
            print(f"{record.name}: done already, see {folder / FILE}")
            return None
        if (folder / FILE).is_file():
            print(f"{record.name}: {_reason_to_run(record, folder)}")
        write_record(record, folder / FILE)  # before any work: the folder can be written
        try:
            outcome = job(cfg)
        except (KeyboardInterrupt, BrokenPipeError) as stop:
            reason = "its output was closed" if isinstance(stop, BrokenPipeError) else str(stop)
            with suppress(InputError):
                write_record(record.ended("interrupted", {}, reason or None), folder / FILE)
            raise
        except Exception as error:
            mendable = explained(error, verb)
            reason = str(mendable) if mendable else f"{type(error).__name__}: {error}"
            with suppress(InputError):  # the disk may be full
                write_record(record.ended("failed", {}, reason), folder / FILE)
            if mendable is None:
                if sweep is None:
                    raise
                traceback.print_exc()
            return reason
        failure = _failed_images(outcome.results)
        outputs = {path.name: _sha256(path) for path in sorted(folder.glob("*.ckpt"))}
        status = "failed" if failure else "done"
        write_record(record.ended(status, outcome.results, failure, outputs), folder / FILE)
        for what, make in outcome.after.items():
            try:
                make()
            except BrokenPipeError:
                raise
            except Exception as error:
                warn(f"{what} failed ({in_one_line(error)}); the results are safe in {folder / FILE}")
        print(f"written: {folder / FILE}")
        return failure


def record_times(sweep: Path) -> dict[Path, int]:
    """The records in a sweep's folder, each with the time at which it was written, by the clock of its disk."""
    return {path: path.stat().st_mtime_ns for path in sorted(sweep.rglob(FILE))}


def unfinished_jobs(sweep: Path, earlier: Mapping[Path, int]) -> Iterator[tuple[str, str]]:
    """The names of a sweep's jobs that are not done, with the reasons, among the jobs recorded since `earlier`.

    A record that changed tells them, not the time at which they began, because the clocks of a cluster's machines differ.
    """
    for path, moment in record_times(sweep).items():
        if earlier.get(path) != moment and (record := read_record(path)).status != "done":
            yield record.name, record.error or f"it {_end(record)}"


def _is_done(record: Record, folder: Path, cfg: DictConfig) -> bool:
    """Whether the folder holds this job's result. Raises InputError if it holds another job."""
    if not (folder / FILE).is_file():
        return False
    earlier = read_record(folder / FILE)
    if cfg.get("ckpt") is not None and Path(str(cfg.ckpt)).resolve() == (folder / CHECKPOINT).resolve():
        return False  # the job is told to go on from what is in its folder, whatever that was
    here, there = record.settings, earlier.settings
    different = [
        key
        for key in {**here, **there}
        if (key in here, here.get(key)) != (key in there, there.get(key)) and key.partition(".")[0] not in WATCHING
    ]
    if different:
        changes = "; ".join(
            f"{key}: {there.get(key, 'nothing')} there, {here.get(key, 'nothing')} here" for key in islice(different, 3)
        )
        raise InputError(
            f"{folder} already holds a result of another configuration ({changes}{'; ...' * (len(different) > 3)}): "
            "take another folder, as sweep=NAME or hydra.run.dir=FOLDER"
        )
    return earlier.status == "done" and earlier.inputs == record.inputs


def _reason_to_run(record: Record, folder: Path) -> str:
    earlier = read_record(folder / FILE)
    if earlier.status == "done":
        changed = [path for path, content in record.inputs.items() if earlier.inputs.get(path) != content]
        return f"again, since {' and '.join(changed)} changed" if changed else "goes on"
    how = f"goes on from {CHECKPOINT}" if (folder / CHECKPOINT).is_file() else "again"
    return f"{how}, since it {_end(earlier)}"


def _end(record: Record) -> str:
    ends = {"running": "was killed", "interrupted": "was interrupted", "failed": f"failed ({record.error})"}
    return ends[record.status]


def _configuration(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """The whole configuration, resolved. Paths in the job's folder begin with "." """

    def portable(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: portable(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [portable(inner) for inner in value]
        if isinstance(value, str) and Path(value).is_relative_to(folder):
            inside = Path(value).relative_to(folder)
            return "." if inside == Path() else f"./{inside.as_posix()}"
        return value

    return portable(OmegaConf.to_container(cfg, resolve=True))


def _inputs(cfg: DictConfig, folder: Path) -> dict[str, str]:
    """The SHA-256 of each file that the configuration names as an input, except files in the job's own folder.

    A store of images may be larger than memory, and every job of a sweep would read all of it. So its header is hashed,
    which holds the checksum of each image.
    """
    found = {}
    for key in INPUTS:
        named = OmegaConf.select(cfg, key)
        for text in named if OmegaConf.is_list(named) else [named]:
            path = Path(str(text))
            if key in CHECKPOINTS:
                with suppress(InputError):
                    path = checkpoint_file(str(text))
            if text is None or not os.path.isfile(path) or path.resolve().is_relative_to(folder.resolve()):  # noqa: PTH113 (never raises)
                continue
            header = identity(path)
            found[str(text)] = hashlib.sha256(header).hexdigest() if header else _sha256(path)
    return found


def _number(variable: str) -> int:
    """The whole number that an environment variable begins with, or 0. OMP_NUM_THREADS may hold one for each nested
    level."""
    leading = re.match(r"\s*(\d+)", os.environ.get(variable, ""))
    return int(leading[1]) if leading else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _failed_images(results: Results) -> str | None:
    """Names on stderr each image that could not be evaluated, and returns the sentence that sums it up."""
    failures = dict.fromkeys(
        (f"{result.set}/{image} at scale {result.scale:g}", why)
        for model_results in results.values()
        for result in model_results
        for image, why in result.failures.items()
    )
    for what, why in failures:
        print(f"lmf-sr: {what}: {why}", file=sys.stderr)
    if not failures:
        return None
    return f"{len(failures)} evaluations of images failed, named above; the means are those of the others"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of the folder.

    POSIX locks end with their process, however it ends, and are not inherited by the processes that load data.
    """
    try:
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise InputError(f"cannot write to the job's folder {folder}: {error.strerror}") from error
    with file:
        if fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                file.seek(0)
                raise InputError(f"{folder} is in use by process {file.read() or '?'}: let it end, or end it") from None
            except OSError:
                pass  # a file system without locks
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
