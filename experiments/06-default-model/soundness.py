"""Tone errors and inconsistency of models on pictures that are no photographs; see README.md.

python experiments/06-default-model/soundness.py OUTPUT.md [--models NAME_OR_FILE ...] [--pictures FOLDER]

FOLDER holds pictures that are shown as they are: text, screenshots, charts. Without it, patterns alone are measured.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import write_text
from lmf_sr.checkpoints import shipped_models
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.evaluation.quality import Upscaler
from lmf_sr.evaluation.soundness import inconsistency, measured_patterns, tone_error
from lmf_sr.images import list_images, read_rgb8
from lmf_sr.results.table import Table

SCALES = 2, 4
DRAWN = (96, 0), (80, 7)  # side and seed of the patterns


def main() -> None:
    """Measures, and writes a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--models", nargs="+", default=shipped_models())
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    models: dict[str, Upscaler] = {"bicubic": Bicubic()} | {
        Path(name).stem: lmf_sr.load(name) for name in options.models
    }
    pictures = [read_rgb8(path).float() / 255 for path in list_images(options.pictures)] if options.pictures else []

    names = list(measured_patterns())
    columns = ["model", *names, "worst block", "worst picture", *(["left, RMS"] if pictures else [])]
    rows: list[list[str]] = []
    for name, model in track(models.items()):
        upscale = partial(upscaled, model)
        blocks, wholes = dict.fromkeys(names, 0.0), 0.0
        for side, seed in DRAWN:
            for pattern, lr in measured_patterns(side, seed).items():
                for scale in SCALES:
                    sr = upscale(lr, scale * side, scale * side)
                    blocks[pattern] = max(blocks[pattern], tone_error(lr, sr))
                    wholes = max(wholes, tone_error(lr, sr, block=None))
        cells = [*blocks.values(), max(blocks.values()), wholes]
        if pictures:
            cells.append(sum(inconsistency(upscale, picture) for picture in pictures) / len(pictures))
        rows.append([name, *(f"{cell:.1f}" for cell in cells)])
    table = Table.of_text(columns, rows).markdown()
    write_text(options.output, table)
    print(table, end="")


@torch.inference_mode()
def upscaled(model: Upscaler, lr: Tensor, height: int, width: int) -> Tensor:
    """The SR picture."""
    return model.encode(lr).render(height, width)[0]


if __name__ == "__main__":
    main()
