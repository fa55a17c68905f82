"""`export_onnx`: a model as ONNX files, compared with PyTorch before they are written.

    model.onnx                                picture, height, width -> upscaled
    model-prepare.onnx, model-query.onnx      the two steps apart (`split`)

Opset 18, operators of the standard only, every size symbolic. The metadata say which model it is.
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
CHECKED = ((2, 21, 18), (57, 31))  # batch, height and width, none of which a graph was traced with; a size for it


def export_onnx(
    model: Model,
    path: Path,
    name: str,
    licence: str,
    split: bool = False,
    progress: Callable[[str], None] = lambda piece: None,
) -> list[Path]:
    """Writes the files and gives their paths.

    Args:
        model: any model, on the CPU.
        path: file to write, of suffix .onnx.
        name: what the metadata call the model.
        licence: that of the weights, for the metadata.
        split: whether to write `prepare` and `query` apart.
        progress: told the name of each piece as it is begun.

    Raises:
        InputError: a model whose operators have no place in a graph, or whose graph computes something else.
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
    """Raises InputError unless the graphs, one after the other, give the pixels that PyTorch gives."""
    (batch, h, w), (height, width) = CHECKED
    picture, grid = torch.rand(batch, 3, h, w), Grid.over(height, width)
    known = {
        "picture": picture.numpy(),
        "height": np.array(height),
        "width": np.array(width),
        "row_coords": grid.rows.numpy(),
        "column_coords": grid.cols.numpy(),
    }
    for graph in graphs:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        values = session.run(None, {value.name: known[value.name] for value in session.get_inputs()})
        known |= dict(zip([value.name for value in session.get_outputs()], values, strict=True))
    expected = model.encode(picture).render(height, width, renderer="direct").numpy()
    error = float(np.abs(known["upscaled"] - expected).max())
    if not error < TOLERANCE:
        raise InputError(f"{name} is not written as ONNX: its graph errs by {error:.2g}, more than {TOLERANCE:g}")
