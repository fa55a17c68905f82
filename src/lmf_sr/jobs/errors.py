"""Errors of Hydra, OmegaConf and the disk, put into one sentence.

Hydra has few kinds of error, so some are told by the beginning of their message; `tests/jobs/test_app.py` makes each of
them.
"""

import errno
import sys

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from lmf_sr.errors import InputError
from lmf_sr.extras import missing_extra
from lmf_sr.jobs.options import unknown_option

DISK = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR, errno.EEXIST}


def explained(error: BaseException, verb: str) -> InputError | None:
    """The error that tells the user of a verb what to mend; None for an error that they cannot mend."""
    cause: BaseException | None = error
    while cause is not None:  # Hydra wraps what the constructor of a configured object raised
        if isinstance(cause, InputError):
            return cause
        if isinstance(cause, OSError) and cause.errno in DISK:
            return InputError(f"cannot write {cause.filename or 'to the disk'}: {cause.strerror}")
        if missing := missing_extra(cause, f"lmf-sr {verb}"):
            return missing
        cause = cause.__cause__
    if isinstance(error, ValueError) and str(error).startswith("Config group override must be"):
        return InputError("a config group cannot be null; to select none, pass an empty list, as in logger=[]")
    if isinstance(error, ValueError) and str(error).startswith("Only one of --run"):
        return InputError(str(error))
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    lines = str(error).strip().splitlines()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if group == "hydra/launcher":
            extra = name.partition("_")[0]
            return InputError(
                f"launch={name.replace('submitit_slurm', 'slurm')} is an extra: pip install 'lmf-sr[{extra}]'"
            )
        return InputError(f"there is no {group} {name!r}; choose one of {', '.join(error.options)}")
    if isinstance(error, MissingMandatoryValue):
        key = lines[0].rpartition(" ")[2]
        return InputError(f"{key} is missing: give it as {key}=...")
    if lines[0].startswith("Could not override"):
        key = lines[0].split("'")[1]
        return InputError(unknown_option(key, verb))
    if lines[0].startswith("Ambiguous value"):
        key, _, values = lines[0].split("'")[1].partition("=")
        return InputError(f"{key}={values} may be a list or a sweep: write {key}=[{values}], or add -m for a job each")
    if isinstance(error, OverrideParseException):
        return InputError(f"cannot make sense of {error.override!r}: {lines[0]}")
    return InputError("; ".join(line.strip() for line in lines if line.strip()))


def in_one_line(error: Exception) -> str:
    """An error's message in one line without its full stop, or its type if it has no message."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def warn(sentence: str) -> None:
    """Tells the user of something that does not stop the job."""
    print(f"lmf-sr: warning: {sentence}", file=sys.stderr, flush=True)
