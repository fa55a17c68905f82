"""Exported graphs in ONNX Runtime on the CPU.

python -m benchmarks.exported [--threads N] [--models NAME ...]     how fast, from a picture to its pixels: side by side
                                                                    with this project
python -m benchmarks.exported --memory                              how much memory, for a pixel of the picture, and for
                                                                    one that `query` renders
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.record import RESULTS, begun, write
from lmf_sr import build, load
from lmf_sr.exporting.assembly import prepare_graph, query_graph, upscale_graph
from lmf_sr.exporting.pieces import pieces_of
from lmf_sr.geometry import Grid
from lmf_sr.results.table import Table

MODELS = ("edsr-tiny-lm-liif", "edsr-tiny-lm-lte", "edsr-tiny-lte")
SIZE = (180, 320)
SCALES = (2.0, 4.0)
ROUNDS = 3
FRESH = {"edsr-tiny-lm-liif": ("edsr-tiny", "lm-liif"), "edsr-tiny-lm-ciaosr": ("edsr-tiny", "lm-ciaosr")}
PICTURES = ((64, 64), (128, 96))  # small and large, of which the peaks are compared
AT_ONCE = ((64, 64), (192, 256))  # pixels of `query`

PEAK = """
import sys, numpy as np, onnxruntime
path, values = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
session.run(None, dict(np.load(values)))
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


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
            inputs = {"picture": picture.numpy(), "height": np.array(height), "width": np.array(width)}
            seconds: dict[str, list[float]] = {"ours": [], "onnx": []}
            for _ in range(ROUNDS):
                begin = time.perf_counter()
                ours = model.encode(picture).render(height, width).numpy()
                middle = time.perf_counter()
                onnx = session.run(["upscaled"], inputs)[0]
                seconds["ours"].append(middle - begin)
                seconds["onnx"].append(time.perf_counter() - middle)
            fastest = {f"{way}_s": min(times) for way, times in seconds.items()}
            yield {"model": name, "scale": scale, **fastest, "difference": float(np.abs(ours - onnx).max())}


def memory() -> Iterator[dict[str, Any]]:
    """Bytes that the peak of a process grows by for a pixel. Weights are fresh: they do not matter here."""
    with tempfile.TemporaryDirectory() as folder:
        for name, parts in FRESH.items():
            pieces = pieces_of(build(*parts).eval())
            graphs = {"upscale": upscale_graph, "prepare": prepare_graph, "query": query_graph}
            for part, graph in graphs.items():
                Path(folder, f"{part}.onnx").write_bytes(graph(pieces, {}).SerializeToString())
            inputs = [_inputs(*size, *size) for size in PICTURES]
            yield _growth(name, "a pixel of the picture", Path(folder, "upscale.onnx"), inputs, PICTURES)
            prepare = onnxruntime.InferenceSession(Path(folder, "prepare.onnx"))
            inputs_of_prepare = _inputs(24, 24, 96, 96)
            state = dict(
                zip([o.name for o in prepare.get_outputs()], prepare.run(None, inputs_of_prepare), strict=True)
            )
            grids = [Grid.over(*size) for size in AT_ONCE]
            axes = [{"row_coords": grid.rows.numpy(), "column_coords": grid.cols.numpy()} for grid in grids]
            names = pieces.query.inputs
            inputs = [
                {key: value for key, value in {**inputs_of_prepare, **state, **axis}.items() if key in names}
                for axis in axes
            ]
            yield _growth(name, "a pixel of query, at once", Path(folder, "query.onnx"), inputs, AT_ONCE)


def _inputs(h: int, w: int, height: int, width: int) -> dict[str, Any]:
    return {
        "picture": torch.rand(1, 3, h, w).numpy(),
        "height": np.array(height),
        "width": np.array(width),
    }


def _growth(
    name: str, by: str, graph: Path, inputs: Sequence[dict[str, Any]], sizes: Sequence[tuple[int, int]]
) -> dict[str, Any]:
    peaks = []
    for values in inputs:
        np.savez(graph.with_suffix(".npz"), **values)
        command = [sys.executable, "-c", PEAK, graph, graph.with_suffix(".npz")]
        peaks.append(1024 * int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    pixels = [height * width for height, width in sizes]
    return {"model": name, "by": by, "bytes": round((peaks[1] - peaks[0]) / (pixels[1] - pixels[0]))}


def report_of_memory(record: dict[str, Any]) -> str:
    about = (
        "Bytes by which the peak of a process grows for a pixel, between two sizes: pictures of "
        f"{_sizes(PICTURES)} at x1, and {_sizes(AT_ONCE)} pixels of one state. "
        f"ONNX Runtime {record['onnxruntime']}, {record['date']}, `{record['command']}`."
    )
    rows = [[row["model"], row["by"], str(row["bytes"])] for row in record["memory"]]
    table = Table.of_text(["model", "for", "bytes"], rows)
    return f"# Memory of exported graphs in ONNX Runtime\n\n{about}\n\n{table.markdown()}"


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    return " and ".join(f"{height} x {width}" for height, width in sizes)


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
    parser.add_argument("--memory", action="store_true", help="memory in the place of speed")
    options = parser.parse_args()
    if options.memory:
        record = {
            **begun(command="python -m benchmarks.exported --memory"),
            "onnxruntime": onnxruntime.__version__,
            "memory": list(memory()),
        }
        write(record, report_of_memory(record), RESULTS / "exported-memory")
        sys.stdout.write(report_of_memory(record))
        return
    record = {
        **begun(
            command=f"python -m benchmarks.exported --threads {options.threads} --models {' '.join(options.models)}"
        ),
        "threads": options.threads,
        "onnxruntime": onnxruntime.__version__,
        "upscalings": list(upscalings(options.threads, options.models)),
    }
    write(record, report(record), RESULTS / "exported")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
