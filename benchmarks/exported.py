"""How fast exported graphs are in ONNX Runtime on the CPU, from a picture to its pixels, and this project: side by side.

python -m benchmarks.exported [--threads N] [--models NAME ...]
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.record import RESULTS, begun, write
from lmf_sr import load
from lmf_sr.exporting.assembly import upscale_graph
from lmf_sr.exporting.pieces import pieces_of
from lmf_sr.results.table import Table

MODELS = ("edsr-tiny-lm-liif", "edsr-tiny-lm-lte", "edsr-tiny-lte")
SIZE = (180, 320)
SCALES = (2.0, 4.0)
ROUNDS = 3


def upscalings(threads: int, models: Sequence[str]) -> Iterator[dict[str, Any]]:
    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    picture = torch.rand(1, 3, *SIZE)
    for name in models:
        model = load(name)
        graph = upscale_graph(pieces_of(model), {"model": name}).SerializeToString()
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for scale in SCALES:
            height, width = (round(scale * side) for side in SIZE)
            asked = {"picture": picture.numpy(), "height": np.array(height), "width": np.array(width)}
            seconds: dict[str, list[float]] = {"ours": [], "onnx": []}
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                ours = model.encode(picture).render(height, width).numpy()
                middle = time.perf_counter()
                onnx = session.run(["upscaled"], asked)[0]
                seconds["ours"].append(middle - begin)
                seconds["onnx"].append(time.perf_counter() - middle)
            times = {f"{way}_s": min(found) for way, found in seconds.items()}
            yield {"model": name, "scale": scale, **times, "difference": float(np.abs(ours - onnx).max())}


def report(record: dict[str, Any]) -> str:
    hardware = record["environment"]["hardware"]
    about = (
        f"From a picture of {SIZE[0]} x {SIZE[1]} to its pixels, the fastest of {ROUNDS} runs in turn. "
        f"{hardware['processor']}, {record['threads']} thread(s), ONNX Runtime {record['onnxruntime']}, "
        f"{record['date']}, `{record['command']}`."
    )
    rows = [
        [
            row["model"],
            f"{row['scale']:g}",
            f"{row['ours_s']:.2f}",
            f"{row['onnx_s']:.2f}",
            f"{row['onnx_s'] / row['ours_s']:.1f}",
            f"{row['difference']:.0e}",
        ]
        for row in record["upscalings"]
    ]
    table = Table.of_text(["model", "scale", "lmf-sr, s", "ONNX Runtime, s", "ratio", "largest difference"], rows)
    return f"# Exported graphs in ONNX Runtime on the CPU\n\n{about}\n\n{table.markdown()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of both (default: %(default)s)")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help="shipped (default: three)")
    asked = parser.parse_args()
    record = {
        **begun(command=f"python -m benchmarks.exported --threads {asked.threads} --models {' '.join(asked.models)}"),
        "threads": asked.threads,
        "onnxruntime": onnxruntime.__version__,
        "upscalings": list(upscalings(asked.threads, asked.models)),
    }
    write(record, report(record), RESULTS / "exported")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
