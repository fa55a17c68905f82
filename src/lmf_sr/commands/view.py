"""`lmf-sr view`: pictures in a browser, zoomed without end, models compared."""

import argparse
import webbrowser
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.cmsr.table import BoundTable
from lmf_sr.commands.arguments import parser_for
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.images import list_images
from lmf_sr.jobs.settings import calibration_of
from lmf_sr.model import Model
from lmf_sr.viewer.pictures import ShownModel, Studio

THRESHOLDS = [m * 10.0**e for e in range(-6, -2) for m in (1, 2, 5)]  # MSE of values in [-1, 1]

EPILOG = """\
The page is served on this machine only: on 127.0.0.1, at a free port, under an address that contains a secret. It fetches
nothing from elsewhere. Ctrl-C ends the server.

Zoom with the wheel, two fingers or + and -; move with the mouse or the arrow keys; ? lists all keys. A picture dropped onto
the page is opened. A browser with WebGL2 renders LMF models (lm-...) itself, by its GPU; this process renders the others.

examples:
  lmf-sr view photo.jpg
  lmf-sr view photo.jpg --model edsr-tiny-lm-liif --model edsr-tiny-lte      two models, side by side
  lmf-sr view small.png --reference large.png
  lmf-sr view photos/ --no-browser --port 8000      for a tunnel: ssh -L 8000:127.0.0.1:8000 HOST
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb until it is interrupted. Raises InputError for what cannot be shown."""
    options = _parser().parse_args(arguments)
    from lmf_sr.viewer.server import Server  # here, because it needs an extra

    if not 0 <= options.port < 2**16:
        raise InputError(f"--port {options.port} is no port: give 1 to 65535, or leave it out")
    files = _files(options.pictures)
    if options.reference is not None and len(files) != 1:
        raise InputError(f"--reference {options.reference} is for one picture, but {len(files)} are given")
    device = device_named(options.device)
    studio = Studio([shown_model(source, load(source).to(device)) for source in options.model or [DEFAULT_MODEL]])
    studio.add(files[0], reference=options.reference)
    for file in files[1:]:
        studio.add_later(file)
    server = Server(studio, options.port)
    print(f"view at {server.address} (Ctrl-C ends it)", flush=True)
    if not options.no_browser:
        webbrowser.open(server.address)
    with suppress(KeyboardInterrupt):
        server.run()


def _files(given: Iterable[Path]) -> list[Path]:
    return [file for path in given for file in (list_images(path) if path.is_dir() else [path])]


def shown_model(source: str, model: Model) -> ShownModel:
    """A model under the name of its source, a file or a shipped name, with what its calibration says."""
    name = Path(source).stem if Path(source).is_file() else source
    return ShownModel(name, model, tables(source, model))


def tables(source: str, model: Model) -> dict[float, BoundTable]:
    """Scale2Mod tables by MSE threshold, from the calibration of a model, a file or a shipped name; none without one."""
    path = calibration_of(source)
    if not model.decoder.is_conversion or not path.is_file():
        return {}
    calibration = Calibration.load(path)
    return {threshold: calibration.table(threshold).bound_to(model) for threshold in THRESHOLDS}


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("view", "Look at pictures in a browser: zoom to any factor, compare models.", EPILOG)
    parser.add_argument("pictures", metavar="PICTURE", nargs="+", type=Path, help="a file, or a folder of files")
    parser.add_argument(
        "--model", action="append", help=f"shipped name or checkpoint file; may be repeated (default: {DEFAULT_MODEL})"
    )
    parser.add_argument("--reference", type=Path, help="the true picture, large, to compare with")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    return parser
