"""`lmf-sr export`: what runs where lmf-sr is not installed. The suffix of the output says what."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.commands.arguments import parser_for
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError

EPILOG = """\
  .html    a page that holds PICTURE and zooms it without end, by a shader: it opens from disk, in any browser with WebGL2,
           and needs neither network nor Python. For LMF models (lm-...). A picture of 320x180 takes some 7 to 10 MB.

examples:
  lmf-sr export photo.jpg page.html
  lmf-sr export photo.jpg page.html --model edsr-tiny-lm-liif --max-mb 20
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for what cannot be exported, or an output of another kind."""
    options = _parser().parse_args(arguments)
    kinds = {".html": _page}
    export = kinds.get(options.output.suffix.lower())
    if export is None:
        raise InputError(f"cannot export to {options.output}: its suffix must be one of {', '.join(kinds)}")
    export(options)


def _page(options: argparse.Namespace) -> None:
    from lmf_sr.commands.view import shown_model
    from lmf_sr.viewer.standalone import write_page

    if not options.max_mb > 0:
        raise InputError(f"--max-mb {options.max_mb:g} leaves room for nothing: give a number of megabytes")
    model = shown_model(options.model, load(options.model).to(device_named(options.device)))
    size = write_page(options.output, options.source, model, int(options.max_mb * 1e6))
    print(f"written: {options.output} ({size / 1e6:.1f} MB)")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for("export", "Make what runs elsewhere, by the suffix of OUTPUT:", EPILOG)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the picture (.html)")
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="the file to write")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: %(default)s)")
    page = parser.add_argument_group(".html")
    page.add_argument("--model", default=DEFAULT_MODEL, help="shipped name or checkpoint file (default: %(default)s)")
    page.add_argument("--max-mb", type=float, default=12, metavar="MB", help="largest page (default: %(default)g MB)")
    return parser
