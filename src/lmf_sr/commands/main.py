"""`lmf-sr VERB ...`: finds the verb, and turns what the user can mend into one sentence on stderr.

Exit status: 0 done; 2 bad input; 130 interrupted; 141 its output was closed.

A verb is a module of this package with `main(arguments)` or, if it takes `KEY=VALUE`, with `job(configuration)`. It is
imported only when it is needed, so that no verb waits for what another needs, and `--help` waits for nothing.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import NamedTuple, TextIO

from lmf_sr.errors import InputError, InputWarning
from lmf_sr.extras import missing_extra
from lmf_sr.text import make_tolerant


class Verb(NamedTuple):
    module: str
    does: str
    configured: bool = False  # whether it takes KEY=VALUE, as `conf/<verb>.yaml` has them


VERBS = {
    "prepare": Verb("prepare", "photographs and archives (DIV2K, benchmark sets) to one file to train from"),
    "train": Verb(
        "train", "train a model; Ctrl-C keeps a checkpoint; training resumes from it exactly", configured=True
    ),
    "evaluate": Verb(
        "evaluate", "PSNR and SSIM of a model on benchmark sets or folders, at any scales", configured=True
    ),
    "compare": Verb("compare", "several models on the same images: table, figures and crops", configured=True),
    "profile": Verb(
        "profile", "parameters, multiply-accumulates and latency of a model, without data", configured=True
    ),
    "collect": Verb("collect", "one table of any number of runs: CSV, Parquet or on the terminal"),
    "upscale": Verb("upscale", "make pictures and clips larger, by any factor or to any size"),
    "view": Verb("view", "look at pictures in a browser: zoom to any factor, compare models"),
    "export": Verb("export", "a page in which a picture can be zoomed without end; or a model as ONNX"),
    "calibrate": Verb("calibrate", "find what CMSR may render coarsely, for any error allowed", configured=True),
    "inspect": Verb("inspect", "draw a picture's modulation intensity and levels, by which CMSR goes"),
    "reproduce": Verb("reproduce", "the paper's tables and figures, from training to report"),
    "report": Verb("report", "the paper's tables and figures from the records of any jobs, on one page"),
    "dashboard": Verb("dashboard", "build the W&B workspace in which a project's runs are looked at"),
    "doctor": Verb("doctor", "which encoder and renderer paths run on this machine, and why"),
    "import": Verb("import_", "turn the authors' checkpoint into a safetensors file of this project"),
}

HELP = f"""\
lmf-sr: super-resolution at any scale, with Latent Modulated Functions

usage: lmf-sr VERB ...
       lmf-sr VERB --help

verbs:
{chr(10).join(f"  {name:10}{verb.does}" for name, verb in VERBS.items())}

examples:
  lmf-sr prepare DIV2K_train_HR.zip DIV2K_valid_HR.zip div2k.store
  lmf-sr train data=folder data.root=photos encoder=edsr-baseline decoder=lm-liif
  lmf-sr evaluate ckpt=last.ckpt data=benchmark data.root=benchmark 'data.sets=[Set5]' scale=4
  lmf-sr evaluate -m ckpt=last.ckpt scale=2,3,4              one job for each scale
  lmf-sr profile encoder=edsr-baseline decoder=liif
  lmf-sr upscale photo.jpg --scale 3.7 --model last.ckpt
  lmf-sr view photo.jpg
  lmf-sr import authors.pth --output model.safetensors

options:
  -h, --help     this page
  --version      the version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter's last flush shall not fail once more
        return 141


def _run(arguments: Sequence[str]) -> int:
    verb, *rest = arguments or ["--help"]
    if verb in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if verb == "--version":
        print(f"lmf-sr {version('lmf-sr')}")
        return 0
    make_tolerant(sys.stdout)
    try:
        if verb not in VERBS:
            raise InputError(f"there is no verb {verb!r}; choose one of {', '.join(VERBS)}")
        _show_input_warnings()
        module = f"lmf_sr.commands.{VERBS[verb].module}"
        if VERBS[verb].configured:
            import_module("lmf_sr.jobs.app").run(verb, module, rest)
        else:
            import_module(module).main(rest)
    except ModuleNotFoundError as error:
        missing = missing_extra(error, f"lmf-sr {verb}")
        if missing is None:
            raise
        print(f"lmf-sr: error: {missing}", file=sys.stderr)
        return 2
    except InputError as error:
        print(f"lmf-sr: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:  # its argument, if any, says what was kept
        print(": ".join(["lmf-sr: interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        return 130
    return 0


def _show_input_warnings() -> None:
    """Prints each InputWarning on stderr as the one sentence that it is."""
    warnings.simplefilter("always", InputWarning)
    show = warnings.showwarning

    def show_sentence(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, InputWarning):
            print(f"lmf-sr: {message}", file=sys.stderr)
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = show_sentence


if __name__ == "__main__":
    sys.exit(main())
