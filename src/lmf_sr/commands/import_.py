"""`lmf-sr import`: a checkpoint of another format to an export of this project."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.checkpoints import export, load
from lmf_sr.errors import InputError
from lmf_sr.profiling import count_parameters

EPILOG = """\
FILE is a .pth of the LIIF, LTE, CiaoSR or LMF repositories, or a .ckpt of lmf-sr train. It is read as data: a pickle that
would run code is refused.

examples:
  lmf-sr import edsr-baseline_lmliif.pth
  lmf-sr import outputs/train/last.ckpt --output model.safetensors
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for a file that holds no model known here."""
    parser = argparse.ArgumentParser(
        prog="lmf-sr import",
        description="Turn a checkpoint into a safetensors file with the model's configuration inside.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the checkpoint")
    parser.add_argument("--output", "-o", type=Path, help="file to write; FILE with suffix .safetensors unless given")
    options = parser.parse_args(arguments)

    output: Path = options.output or options.file.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise InputError(f"cannot write {output}: an export's suffix is .safetensors")
    if output.resolve() == options.file.resolve():
        raise InputError(f"{output} would replace the file it is made from: name another --output")
    model = load(options.file)
    export(model, output)

    parameters = count_parameters(model)
    for part, count in (("encoder", parameters.encoder), ("decoder", parameters.decoder)):
        name, options_ = model.config[part]["name"], _options(model.config[part])
        print(f"{part}: {name} ({options_}), {count:,} parameters")
    print(f"written: {output}")


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in config.items() if key not in ("name", "_target_"))
