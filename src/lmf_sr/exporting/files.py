"""`export_onnx`: a model as ONNX files, compared with PyTorch before they are written.

    model.onnx                                picture, height, width -> upscaled
    model-prepare.onnx, model-query.onnx      the two steps, each in a graph of its own (`split`)

The graphs are of opset 18 and have standard operators and symbolic sizes only. Their metadata name the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from lmf_sr.atomic import replacing
from lmf_sr.cmsr.table import fingerprint
from lmf_sr.errors import InputError
from lmf_sr.exporting.assembly import prepare_graph, query_graph, upscale_graph
from lmf_sr.exporting.pieces import pieces_of
from lmf_sr.geometry import Grid
from lmf_sr.model import Model

TOLERANCE = 1e-4  # of values in [0, 1]
CHECKED = ((2, 21, 18), (57, 31))  # a picture (batch, height, width) and an output size that no graph is traced with


def export_onnx(
    model: Model,
    path: Path,
    name: str,
    licence: str,
    split: bool = False,
    progress: Callable[[str], None] = lambda piece: None,
) -> list[Path]:
    """Writes one file, or two, and gives their paths.

    Args:
        model: any model, on the CPU.
        path: the file to write, with the suffix .onnx.
        name: the name of the model in the metadata.
        licence: the licence of the weights, for the metadata.
        split: whether to write `prepare` and `query` as two graphs.
        progress: is called with the name of each piece before the piece is traced.

    Raises:
        InputError: for a model with operators that ONNX lacks, or a graph that computes other pixels than PyTorch.
    """
    try:
        pieces = pieces_of(model, progress)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(f"{name} cannot be written as ONNX: {reason}") from error
    about = {
        "model": name,
        "revision": fingerprint(model),
        "licence": licence,
        "configuration": json.dumps(model.config),
    }
    graphs = (prepare_graph, query_graph) if split else (upscale_graph,)
    written = {_path_of(graph.__name__, path, split): graph(pieces, about) for graph in graphs}
    _check(model, name, *written.values())
    for file_path, graph in written.items():
        with replacing(file_path) as file:
            file.write(graph.SerializeToString())
    return list(written)


def _path_of(graph: str, path: Path, split: bool) -> Path:
    return path.with_stem(f"{path.stem}-{graph.removesuffix('_graph')}") if split else path


def _check(model: Model, name: str, *graphs: onnx.ModelProto) -> None:
    """Raises InputError unless the graphs, run one after the other, give the pixels of PyTorch."""
    (batch, h, w), (height, width) = CHECKED
    picture, grid = torch.rand(batch, 3, h, w), Grid.over(height, width)
    values = {
        "picture": picture.numpy(),
        "height": np.array(height),
        "width": np.array(width),
        "row_coords": grid.rows.numpy(),
        "column_coords": grid.cols.numpy(),
    }
    for graph in graphs:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        outputs = session.run(None, {value.name: values[value.name] for value in session.get_inputs()})
        values |= dict(zip([value.name for value in session.get_outputs()], outputs, strict=True))
    expected = model.encode(picture).render(height, width, renderer="direct").numpy()
    error = float(np.abs(values["upscaled"] - expected).max())
    if not error < TOLERANCE:
        raise InputError(f"{name} is not written as ONNX: its graph errs by {error:.2g}, more than {TOLERANCE:g}")
