"""`lmf-sr inspect`: the modulation intensity of a picture, and the level at which CMSR would render each place."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.cmsr.calibration import table_from
from lmf_sr.cmsr.plan import level_map
from lmf_sr.commands.arguments import add_cmsr, parser_for
from lmf_sr.devices import device_named
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid
from lmf_sr.images import read_picture
from lmf_sr.jobs.settings import table_file
from lmf_sr.results.plots import modulation_maps

EPILOG = """\
The intensity of a place is the mean of |shift modulations| there (He & Jin, CVPR 2024), or what else the calibration goes
by (cmsr.measure of lmf-sr calibrate). The levels need a calibration: the one beside the checkpoint, or --table; without any,
the intensity alone is drawn.

examples:
  lmf-sr inspect photo.jpg --scale 8
  lmf-sr inspect photo.jpg --scale 12 --model last.ckpt --mse-threshold 1e-5 --output maps.pdf
"""


def main(arguments: Sequence[str]) -> None:
    """Runs the verb. Raises InputError for a picture, model or table that cannot be used."""
    options = _parser().parse_args(arguments)
    if not 1 <= options.scale < math.inf:
        raise InputError(f"--scale {options.scale:g} makes no picture larger: it must be a number of at least 1")
    output: Path = options.output or options.picture.with_name(f"{options.picture.stem}_x{options.scale:g}_cmsr.png")
    if output.suffix not in (".png", ".jpg", ".pdf", ".svg"):
        raise InputError(f"cannot draw {output}: choose a name that ends in .png, .jpg, .pdf or .svg")
    model = load(options.model).to(device_named(options.device))
    picture = read_picture(options.picture).rgb
    image = model.encode(picture)
    height, width = (round(side * options.scale) for side in image.size)

    path = table_file(options, options.model, model)
    if options.table is None and not path.is_file():
        intensity = image.intensity(height, width)
        modulation_maps(picture, intensity[0], None, [], output)
    else:
        table = table_from(path, options.mse_threshold, options.aggregation).bound_to(model)
        grid = Grid.over(height, width)
        plan, intensity = table.table.plan(grid, image.size), table.intensity(image.encoded, grid)
        masks = plan.chosen(intensity)
        shares = [mask.latents.double().mean().item() for mask in masks]
        names = [f"x{level.scale:g} ({share:.0%})" for level, share in zip(plan.levels, shares, strict=True)]
        modulation_maps(picture, intensity[0], level_map(intensity, plan.levels)[0], names, output)
        rendered = sum(mask.pixel_count() for mask in masks) / (height * width)
        print(f"levels: {', '.join(names)}; pixels to render: {rendered:.1%} of {width}x{height}")
    print(f"intensity: {intensity.min():.3f} to {intensity.max():.3f}, mean {intensity.mean():.3f}")
    print(f"written: {output}")


def _parser() -> argparse.ArgumentParser:
    parser = parser_for(
        "inspect",
        "Draw what CMSR goes by: the modulation intensity over a picture, and the levels it leads to.",
        EPILOG,
    )
    parser.add_argument("picture", metavar="IMAGE", type=Path, help="the picture that would be upscaled")
    parser.add_argument("--scale", type=float, required=True, help="by how much; CMSR is for more than 4")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="shipped name or checkpoint file (default: %(default)s)")
    add_cmsr(parser, threshold="the table's, or 2e-5")
    parser.add_argument("--output", "-o", type=Path, help="file to draw (default: IMAGE_x8_cmsr.png beside IMAGE)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    return parser
