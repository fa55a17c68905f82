"""`make readme`: the pictures of the README, and what they were made from.

crop.png    LR, bicubic, the model that ships and HR of a hard part of a photograph that ships (the astronaut, reduced by 4)
speed.svg   how many times faster than the authors' way LM-LIIF renders, from results/cpu-rendering.json
made.json   SHA-256 of the weights, the results and this file; `tests/test_readme.py` finds pictures that are out of date
"""

import hashlib
import json
from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import lmf_sr
from lmf_sr.atomic import replacing
from lmf_sr.checkpoints import DEFAULT_MODEL, checkpoint_file
from lmf_sr.evaluation.baseline import Bicubic
from lmf_sr.images import embedded_photographs, resize_pillow

FOLDER = Path(__file__).parents[1] / "docs" / "readme"
SPEED = Path(__file__).parent / "results" / "cpu-rendering.json"
SCALE = 4
WINDOW = (96, 168, 96, 128)  # of the astronaut: top, left, height, width in HR pixels
ENLARGED = 2  # screen pixels for an HR pixel


def main() -> None:
    """Makes all of them."""
    with replacing(FOLDER / "crop.png") as file:
        crops().save(file, format="png", optimize=True)
    with replacing(FOLDER / "speed.svg") as file, rc_context({"svg.hashsalt": "lmf-sr"}):  # the same names each time
        speed().savefig(file, format="svg", metadata={"Date": None})
    with replacing(FOLDER / "made.json") as file:
        file.write((json.dumps(sources(), indent=2) + "\n").encode())
    print(f"written: {FOLDER}")


def sources() -> dict[str, str]:
    """Names the files that the pictures are made from, each with its SHA-256."""
    files = {"model": checkpoint_file(DEFAULT_MODEL), "speed": SPEED, "command": Path(__file__)}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def crops() -> Image.Image:
    """The four views of the window side by side, with their names and PSNR of the window."""
    photograph = embedded_photographs(("astronaut",))["astronaut"]
    _, height, width = photograph.shape
    hr = photograph.float() / 255
    lr = resize_pillow(photograph, height // SCALE, width // SCALE).float() / 255
    views = {
        f"LR, {width // SCALE} x {height // SCALE}": lr.repeat_interleave(SCALE, 1).repeat_interleave(SCALE, 2),
        "bicubic": Bicubic().encode(lr).render(height, width)[0],
        DEFAULT_MODEL: lmf_sr.load().encode(lr).render(height, width)[0],
        "HR": hr,
    }
    top, left, rows, cols = WINDOW
    font = ImageFont.load_default(14)
    sheet = Image.new("RGB", ((ENLARGED * cols + 6) * len(views) - 6, ENLARGED * rows + 24), "white")
    for i, (name, view) in enumerate(views.items()):
        window, truth = (picture[:, top : top + rows, left : left + cols] for picture in (view, hr))
        corner = i * (ENLARGED * cols + 6)
        sheet.paste(enlarged(window), (corner, 0))
        psnr = "" if i in (0, 3) else f", {-10 * (window - truth).square().mean().log10():.2f} dB"
        ImageDraw.Draw(sheet).text((corner + 2, ENLARGED * rows + 4), name + psnr, "black", font)
    return sheet


def enlarged(rgb: Tensor) -> Image.Image:
    """A picture in [0, 1] with every pixel repeated, so that a browser does not smooth it."""
    pixels = (255 * rgb.clamp(0, 1)).round().byte().permute(1, 2, 0).contiguous().numpy()
    height, width, _ = pixels.shape
    return Image.fromarray(pixels).resize((ENLARGED * width, ENLARGED * height), Image.Resampling.NEAREST)


def speed() -> Figure:
    """Seconds of the authors' way and of lmf-sr at each scale."""
    ways = {"plain": "the authors' way", "blocked": "lmf-sr"}
    results = [result for result in json.loads(SPEED.read_text())["results"] if result["decoder"] == "lm-liif"]
    figure = Figure(figsize=(6.4, 2.2), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="seconds from features to pixels, LM-LIIF, LR picture of 180 x 320")
    for i, (way, name) in enumerate(ways.items()):
        seconds = [result["seconds"][way] for result in results]
        bars = axes.barh(
            [j + 0.4 * i for j in range(len(results))], seconds, height=0.38, label=name, color=f"C{1 - i}"
        )
        axes.bar_label(bars, [f"{value:.2g} s" for value in seconds], padding=3, fontsize=8)
    axes.set_yticks([j + 0.2 for j in range(len(results))], [f"x{result['scale']:g}" for result in results])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.legend(loc="upper right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    with torch.inference_mode():
        main()
