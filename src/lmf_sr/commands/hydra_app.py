"""A verb as a Hydra application: `KEY=VALUE` arguments, `-m` for sweeps, a folder of its own for each job.

Hydra's errors become `InputError`s of one sentence. In a sweep a failing job is named, the others are done, and the command
fails at the end.
"""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from lmf_sr.build import CONF
from lmf_sr.errors import InputError

Job = Callable[[DictConfig], None]


def run(verb: str, job: Job, arguments: Sequence[str]) -> None:
    """Runs the job, or a sweep of jobs, that the arguments describe, on `conf/<verb>.yaml`.

    Raises:
        InputError: from the job, or for arguments that describe none.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed
    failures: list[InputError] = []
    ordered = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))  # Hydra wants these first
    given = sys.argv
    try:
        sys.argv = [f"lmf-sr {verb}", *ordered, *_names_of_jobs(ordered)]  # where Hydra looks for them
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb)(
            _reporting(verb, job, failures, program=given[0])
        )()
    except InputError as error:  # the first one that Hydra met in a sweep; `_reporting` has named each
        raise InputError(f"the sweep is incomplete, though its other jobs are done: {error}") from error
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error, verb) from error
    finally:
        sys.argv = given
    if failures:
        raise failures[0]


def job_folder() -> Path:
    """The running job's own folder. Raises InputError if an earlier job has left its result there."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    if (folder / "result.json").exists():
        raise InputError(f"{folder} already holds a result: take another folder, or leave the choice to lmf-sr")
    return folder


def overrides() -> list[str]:
    """The running job's `KEY=VALUE` arguments."""
    return list(HydraConfig.get().overrides.task)


def _names_of_jobs(arguments: Sequence[str]) -> list[str]:
    """The setting by which the folders of a sweep's jobs are named by what differs between them (`conf/job.yaml`)."""
    given = OverridesParser.create().parse_overrides(get_args_parser().parse_known_args([*arguments])[0].overrides)
    shared = [override.key_or_group for override in given if not override.is_sweep_override()]
    return [f"hydra.job.config.override_dirname.exclude_keys=[{','.join(shared)}]"]


def _reporting(verb: str, job: Job, failures: list[InputError], program: str) -> Job:
    """The job; of a single run, Hydra does not see what failed (it would print its own account of it).

    Within the job, `sys.argv` is the command line of it alone: Lightning starts the other processes of a run by it.
    """

    @functools.wraps(job)
    def reporting(cfg: DictConfig) -> None:
        sys.argv = [program, verb, *overrides()]
        try:
            job(cfg)
        except (InputError, HydraException, OmegaConfBaseException) as cause:
            error = _explained(cause, verb)
            hydra_config = HydraConfig.get()
            if hydra_config.mode == RunMode.RUN:
                failures.append(error)
                return
            name = f"job {hydra_config.job.num} ({' '.join(overrides())})"
            print(f"lmf-sr: error: {name}: {error}", file=sys.stderr)
            raise error from cause

    return reporting


def _explained(error: Exception, verb: str) -> InputError:
    """What Hydra or OmegaConf found, in a sentence."""
    cause: BaseException | None = error
    while cause is not None:  # Hydra wraps what the constructor of a configured object raised
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__
    lines = str(error).strip().splitlines()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return InputError(f"there is no {group} {name!r}; choose one of {', '.join(error.options)}")
    if isinstance(error, MissingMandatoryValue):
        key = lines[0].rpartition(" ")[2]
        return InputError(f"{key} is missing: give it as {key}=...")
    if lines[0].startswith("Could not override"):
        key = lines[0].split("'")[1]
        return InputError(f"there is no option {key!r}; lmf-sr {verb} --help lists what there is")
    if lines[0].startswith("Ambiguous value"):
        key, _, values = lines[0].split("'")[1].partition("=")
        return InputError(f"{key}={values} may be a list or a sweep: write {key}=[{values}], or add -m for a job each")
    if isinstance(error, OverrideParseException):
        return InputError(f"cannot make sense of {error.override!r}: {lines[0]}")
    return InputError("; ".join(line.strip() for line in lines if line.strip()))
