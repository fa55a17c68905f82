"""`lmf-sr import`: turns a checkpoint, of a training run or of another repository, into an export, as models are shipped."""

from collections.abc import Sequence
from pathlib import Path

import torch

from lmf_sr.checkpoints import export, load
from lmf_sr.commands.arguments import parser_for
from lmf_sr.errors import InputError
from lmf_sr.profiling import count_parameters

EPILOG = """\
FILE is a .pth of the LIIF, LTE, LMF or CiaoSR repositories, one of MMagic's LIIF, or a .ckpt of lmf-sr train. It is read as
data: a pickle that asks for more than weights is refused by the name of what it asks for. Averaged weights (generator_ema,
callbacks=[default,ema]) are preferred where a file holds them. A network that was trained on pictures normalised by a mean
and std of its own draws the same pixels here: the normalisation is folded into its weights, and its centre is an option.

examples:
  lmf-sr import edsr-baseline_lmliif.pth
  lmf-sr import ciaosr/latest.pth --output ciaosr.safetensors
  lmf-sr import outputs/train/last.ckpt --half --output model.safetensors
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for a file that holds no model known here."""
    parser = parser_for(
        "import", "Turn a checkpoint into a safetensors file with the model's configuration inside.", EPILOG
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the checkpoint")
    parser.add_argument("--output", "-o", type=Path, help="file to write; FILE with suffix .safetensors unless given")
    parser.add_argument(
        "--half", action="store_true", help="store the weights in half precision: half the size, loaded as float32"
    )
    options = parser.parse_args(arguments)

    output: Path = options.output or options.file.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise InputError(f"cannot write {output}: an export's suffix is .safetensors")
    if output.resolve() == options.file.resolve():
        raise InputError(f"{output} would replace the file it is made from: name another --output")
    model = load(options.file)
    export(model, output, torch.float16 if options.half else torch.float32)

    parameters = count_parameters(model)
    for part, count in (("encoder", parameters.encoder), ("decoder", parameters.decoder)):
        name, options_ = model.config[part]["name"], _options(model.config[part])
        print(f"{part}: {name} ({options_}), {count:,} parameters")
    print(f"written: {output}")


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in config.items() if key not in ("name", "_target_"))
