"""`lmf-sr import`: turns a checkpoint, of a training run or of another repository, into an export, as models are shipped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmf_sr.building import build
from lmf_sr.checkpoints import checkpoint_file, export_weights, load, read
from lmf_sr.commands.arguments import parser_for
from lmf_sr.encoders.rlfn import RLFN, without_esa
from lmf_sr.errors import InputError
from lmf_sr.images import TRAIN, embedded_photographs
from lmf_sr.normalisation import from_levels, normalise

EPILOG = """\
FILE is a .pth of the LIIF, LTE, LMF, CiaoSR or RLFN repositories, one of MMagic's LIIF, or a .ckpt of lmf-sr train. It is
read as data, and a pickle that asks for more than weights is refused, with the name of the thing it asks for. Averaged
weights (generator_ema, callbacks=[default,ema]) are preferred if a file holds them. A network that was trained on pictures
normalised by a mean and std of its own draws the same pixels here, because the normalisation is folded into its weights,
and its centre is an option.

examples:
  lmf-sr import edsr-baseline_lmliif.pth
  lmf-sr import ciaosr/latest.pth --output ciaosr.safetensors
  lmf-sr import rlfn_s_x2.pth --without-esa -o rlfn.safetensors   (an encoder: lmf-sr train encoder=rlfn init=...)
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
    parser.add_argument(
        "--without-esa",
        action="store_true",
        help="leave RLFN's attention out, with the mean of each mask over photographs folded into the weights; the "
        "encoder then computes exactly in tiles, and is the one that conf/encoder/rlfn.yaml describes",
    )
    options = parser.parse_args(arguments)

    output: Path = options.output or options.file.with_suffix(".safetensors")
    if output.suffix != ".safetensors":
        raise InputError(f"cannot write {output}: an export's suffix is .safetensors")
    if output.resolve() == options.file.resolve():
        raise InputError(f"{output} would replace the file it is made from: name another --output")
    config, weights = read(checkpoint_file(options.file))
    if "decoder" in config:
        model = load(options.file)
        config, weights = model.config, model.state_dict()
    if options.without_esa:
        config, weights = _without_esa(config, weights, options.file)
    export_weights(config, weights, output, torch.float16 if options.half else torch.float32)

    for part in config:
        count = sum(weight.numel() for name, weight in weights.items() if name.startswith(f"{part}."))
        print(f"{part}: {config[part]['name']} ({_options(config[part])}), {count:,} parameters")
    print(f"written: {output}")


def _without_esa(
    config: dict[str, Any], weights: dict[str, Tensor], path: Path
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Leaves the attention out of an encoder and folds its mean over the embedded photographs into the weights."""
    if "decoder" in config or not config["encoder"].get("esa"):
        raise InputError(f"{path} holds no encoder alone with attention, so --without-esa has nothing to leave out")
    encoder = build(config["encoder"]).encoder
    assert isinstance(encoder, RLFN)
    encoder.load_state_dict({name.removeprefix("encoder."): weight for name, weight in weights.items()})
    photographs = [normalise(from_levels(pixels)) for pixels in embedded_photographs(TRAIN).values()]
    plain = without_esa(encoder, photographs)
    return (
        {"encoder": config["encoder"] | {"esa": False}},
        {f"encoder.{name}": weight for name, weight in plain.state_dict().items()},
    )


def _options(config: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in config.items() if key not in ("name", "_target_"))
