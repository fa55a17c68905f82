"""A verb as a Hydra application: `KEY=VALUE` arguments, `-m` for sweeps, a folder of its own for each job (`job.py`).

Hydra's errors become `InputError`s of one sentence. In a sweep the jobs after a failing one are done all the same, and the
command fails at the end; the same command again does what is not done yet.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from lmf_sr.errors import InputError
from lmf_sr.glibc import keep_freed
from lmf_sr.jobs import folders
from lmf_sr.jobs.arguments import typeable
from lmf_sr.jobs.errors import explained, warn
from lmf_sr.paths import CONF

# Modules that load PyTorch are imported where they are needed, so that `--help` and errors need not wait for it.


@dataclass(frozen=True)
class Sweep:
    """A sweep that has begun: its folder, and the times at which the records in it were written."""

    folder: Path
    earlier: Mapping[Path, int]


_sweep: ContextVar[Sweep | None] = ContextVar("the sweep that this process runs", default=None)


class SweepCallback(Callback):
    """Notes the sweep as it begins. Hydra makes it (`conf/job.yaml`)."""

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        from lmf_sr.jobs.job import record_times

        folder = Path(config.hydra.sweep.dir)
        _sweep.set(Sweep(folder, record_times(folder)))


def run(verb: str, module: str, arguments: Sequence[str]) -> None:
    """Runs the job, or a sweep of jobs, that the arguments describe, on `conf/<verb>.yaml`.

    Args:
        verb: names the configuration, and the folders of jobs.
        module: has a function `job`, imported when the first job begins.
        arguments: Hydra's options and `KEY=VALUE` settings.

    Raises:
        InputError: from the job, or for arguments that describe none.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    failures: list[str] = []
    settings = get_args_parser().parse_known_intermixed_args([*arguments])[0].overrides
    options = [argument for argument in arguments if argument not in settings]
    settings = [typeable(setting) for setting in settings]
    before = _sweep.set(None)
    try:
        described = OverridesParser.create().parse_overrides(settings)
        register_resolvers(folders.sweep_name(described))
        task = _task(verb, module, failures, program=sys.argv[0])
        name = f"hydra.job.name={verb}"  # names the folders of jobs; a user's own setting comes after it and counts
        with _command_line(f"lmf-sr {verb}", *options, name, *settings, _shared(described)):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb)(task)()
        error: Exception | None = None
    except Exception as raised:
        error = raised
    sweep = _sweep.get()
    _sweep.reset(before)
    mendable = explained(error, verb) if error else None
    if sweep is not None:
        _conclude(sweep, mendable or error)
    if error:
        raise mendable or error from error
    if failures:
        raise InputError(failures[0])


@contextmanager
def _command_line(*arguments: str) -> Iterator[None]:
    """The command line that Hydra reads, and from which Lightning starts the other processes of a run."""
    given = sys.argv
    sys.argv = [*arguments]
    try:
        yield
    finally:
        sys.argv = given


def register_resolvers(sweep: str = "") -> None:
    """Registers the resolvers of `conf/job.yaml` and `conf/launch`: `name_of_sweep`, `name_of_job`, `share_of_cores`.

    The processes that a launcher starts only import this module. They find the sweep's name in the configuration that they
    are sent, where it is kept once resolved.
    """
    OmegaConf.register_new_resolver("name_of_sweep", lambda given: given or sweep, replace=True, use_cache=True)
    OmegaConf.register_new_resolver("name_of_job", folders.folder_name, replace=True)
    OmegaConf.register_new_resolver("share_of_cores", lambda jobs: max((os.cpu_count() or 1) // jobs, 1), replace=True)


register_resolvers()


def _shared(given: Sequence[Override]) -> str:
    """The setting by which the folders of a sweep's jobs are named by what differs between them (`conf/job.yaml`).

    A seed that is given is named too, because seeds are most often added later.
    """
    varies = {override.key_or_group: override.is_sweep_override() for override in given}  # a key's last counts
    shared = ",".join(key for key, does in varies.items() if not does and key != "seed")
    return f"hydra.job.config.override_dirname.exclude_keys=[{shared}]"


def _conclude(sweep: Sweep, error: Exception | None) -> None:
    """Says how the sweep ended. `error` kept jobs from beginning. Raises InputError if jobs of it failed."""
    from lmf_sr.jobs.job import unfinished_jobs

    failed = [*unfinished_jobs(sweep.folder, sweep.earlier)]
    for name, reason in failed:
        print(f"lmf-sr: {name}: {reason}", file=sys.stderr)
    if failed:
        rest = f"; besides, {error}" if error else "; the others are done"
        raise InputError(
            f"{len(failed)} of the sweep's jobs failed, named above, and the same command runs these again{rest}"
        ) from error
    if error is None:
        print(f"the sweep is done; one table of it all: lmf-sr collect {sweep.folder}")


def _task(verb: str, module: str, failures: list[str], program: str) -> TaskFunction:
    """The job as Hydra calls it. A failure is added to `failures` or, in a sweep, stands in the records."""

    def task(cfg: DictConfig) -> None:
        _perform(verb, module, failures, program, cfg)

    return task


def _perform(verb: str, module: str, failures: list[str], program: str, cfg: DictConfig) -> None:
    """Does one job. Within it, the command line is the job's alone, and `hydra.run.dir` is its folder."""
    from lmf_sr.jobs.job import job_folder, overrides, perform
    from lmf_sr.jobs.wandb_runs import end_run

    config: Any = HydraConfig.get()
    with read_write(config):
        config.run.dir = str(job_folder())
    if config.job.chdir:
        warn("hydra.job.chdir changes nothing here: paths are as seen from the folder the command was given in")
        os.chdir(config.runtime.cwd)
    keep_freed()
    failure: str | None = "it did not end"
    try:
        with _command_line(program, verb, *overrides(), "hydra.mode=RUN"):
            failure = perform(verb, import_module(module).job, cfg)
    except InputError as refused:
        if config.mode == RunMode.MULTIRUN:  # Hydra hands on the first of them only
            print(f"lmf-sr: {job_folder().name}: not begun: {refused}", file=sys.stderr)
        raise
    finally:
        end_run(failed=failure is not None)
    if failure is not None and config.mode == RunMode.RUN:
        failures.append(failure)
    elif failure is not None:
        print(f"{job_folder().name}: failed: {failure}; the sweep goes on", flush=True)
