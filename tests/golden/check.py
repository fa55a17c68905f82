"""Runs the authors' code on the weights and inputs of the golden vectors, and compares its outputs with theirs.

    git clone https://github.com/HeZongyao/LMF
    python tests/golden/check.py LMF [METHOD ...]

It prints the largest difference of each case, of all pixels and of those further than one LR pixel from the border, and
ends with status 1 if one of the latter is more than 1e-5. The checkout needs the packages of its requirements.txt; no GPU is
needed, because its calls of `cuda()` are made to do nothing. All six methods are checked unless some are named; one whose
vectors are missing counts as a failure (CiaoSR's lie in a folder `shared/golden` beside this checkout).
"""

import argparse
import json
import sys
from math import inf
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDERS = Path(__file__).parent, Path(__file__).parents[3] / "shared" / "golden"
INDEX = json.loads((FOLDERS[0] / "index.json").read_text())
TOLERANCE = 1e-5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("authors", metavar="LMF", type=Path, help="checkout of the authors' repository")
    parser.add_argument("methods", metavar="METHOD", nargs="*", help=f"{', '.join(INDEX)} (default: all)")
    options = parser.parse_args()
    torch.Tensor.cuda = lambda self, *_: self  # type: ignore[method-assign]
    sys.path.insert(0, str(options.authors))
    worst = 0.0
    folders = {name: folder for folder in FOLDERS for name in INDEX if (folder / f"{name}.pth").is_file()}
    for method in options.methods or INDEX:
        if method not in folders:
            print(f"{method:10}NOT CHECKED: there is no {method}.pth in {' or '.join(map(str, FOLDERS))}", flush=True)
            worst = inf
            continue
        spec = torch.load(folders[method] / f"{method}.pth", weights_only=True)["model"]
        spec["sd"] = {name: weight.float() for name, weight in spec["sd"].items()}
        data = load_file(folders[method] / f"{method}.safetensors")
        for case, about in INDEX[method]["cases"].items():
            difference, inner = differences(spec, data, case, about)
            worst = max(worst, inner)
            print(f"{method:10}{case:10} all pixels {difference:.1e}, inner pixels {inner:.1e}", flush=True)
    return int(worst > TOLERANCE)


@torch.no_grad()
def differences(spec: dict[str, Any], data: dict[str, Tensor], case: str, about: dict[str, Any]) -> tuple[float, float]:
    """The largest difference between the authors' output for a case and the one kept, over all pixels and the inner ones."""
    import models  # type: ignore[import-not-found]  # the authors'

    lr, expected = data[f"{case}.lr"], data[f"{case}.rgb"]
    if "table" in about:
        table = {float(scale): limit for scale, limit in about["table"].items()}
        cmsr = {"mse_threshold": 2e-5, "s2m_tables": {1000.0: table}, "log": False}
        spec = {**spec, "args": {**spec["args"], "cmsr_spec": cmsr}}
    model = models.make(spec, load_sd=True).eval()
    if about["query"] == "points":
        coord, cell = data[f"{case}.coord"], data[f"{case}.cell"]
        inner = torch.ones(coord.shape[:2], dtype=torch.bool)
    else:
        from utils import make_coord  # type: ignore[import-not-found]  # the authors'

        height, width = about["height"], about["width"]
        coord = make_coord((height, width)).expand(len(lr), -1, -1)
        cell = torch.tensor([2 / height, 2 / width]).expand_as(coord) * about["cell_scale"]
        inner = (coord.abs() < 1 - 2 / torch.tensor(lr.shape[-2:])).all(-1)
    difference = (model(lr, coord, cell) - expected).abs().amax(-1)
    return difference.max().item(), difference[inner].max().item()


if __name__ == "__main__":
    sys.exit(main())
