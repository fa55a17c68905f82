"""Exported graphs, run by ONNX Runtime, give the pixels that PyTorch gives: at sizes they were not traced with."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch

onnxruntime = pytest.importorskip("onnxruntime", reason="SKIPPED: onnxruntime is not installed, pip install -e .[onnx]")

import lmf_sr  # noqa: E402
from lmf_sr.building import choices  # noqa: E402
from lmf_sr.exporting.assembly import prepare_graph, query_graph, upscale_graph  # noqa: E402
from lmf_sr.exporting.pieces import Pieces, pieces_of  # noqa: E402
from lmf_sr.geometry import Grid  # noqa: E402
from lmf_sr.model import Model  # noqa: E402

EDSR = {"n_resblocks": 1, "n_feats": 8}
RDN = {"n_blocks": 2, "n_layers": 2, "growth": 4, "n_feats": 8}
ENCODERS: dict[str, dict[str, Any]] = {  # small, with features of 8 channels
    "edsr": {"name": "edsr", **EDSR},
    "edsr-baseline": {"name": "edsr-baseline", **EDSR},
    "edsr-tiny": {"name": "edsr-tiny", **EDSR},
    "rdn": {"name": "rdn", **RDN},
    "rdn-small": {"name": "rdn-small", **RDN},
    "rlfn": {"name": "rlfn", "n_blocks": 1, "n_feats": 8},
    "rlfn-esa": {"name": "rlfn", "n_blocks": 1, "n_feats": 8, "esa": True},
    "swinir": {"name": "swinir", "n_blocks": 1, "n_layers": 2, "dim": 8, "heads": 2, "out_dim": 8},
}
DECODERS: dict[str, dict[str, Any]] = {
    "lm-liif": {"name": "lm-liif"},
    "liif": {"name": "liif", "width": 16},
    "lte": {"name": "lte", "width": 16, "fourier_dim": 16},
    "ciaosr": {"name": "ciaosr", "width": 16, "depth": 2},
    "lm-lte": {"name": "lm-lte", "fourier_dim": 16},
    "lm-ciaosr": {"name": "lm-ciaosr", "attention_width": 16, "depth": 2},
    "lm-liif-nearest": {"name": "lm-liif", "ensemble": False, "code_dim": None},
}
MODELS = {name: (ENCODERS["edsr-tiny"], decoder) for name, decoder in DECODERS.items()}
MODELS |= {name: (encoder, {"name": "liif", "width": 8, "depth": 1}) for name, encoder in ENCODERS.items()}
CASES = {  # batch, height and width of the picture; what it is upscaled to
    "scale 1": ((1, 19, 33), (19, 33)),
    "scale 2.7": ((1, 23, 17), (62, 46)),
    "scale 8, two pictures": ((2, 15, 16), (120, 128)),
    "anisotropic": ((1, 16, 29), (80, 31)),
    "three pictures at once": ((3, 18, 20), (40, 44)),
    "more than a block of attention": ((1, 49, 99), (60, 99)),
    "wider than a band": ((1, 15, 40), (16, 2100)),
}
LIKE_OTHERS = {"edsr", "edsr-baseline", "edsr-tiny", "rdn"}  # have the operators of others, which are tested
PAIRS = (
    ((1, 9, 13), (9, 13)),
    ((1, 11, 7), (30, 19)),
    ((2, 5, 6), (40, 48)),
    ((1, 7, 10), (35, 11)),
)  # x1, x2.7, x8, mixed
SMALL = {"a single row": ((1, 1, 9), (8, 70)), "a single pixel": ((1, 1, 1), (3, 5))}


@pytest.fixture(scope="module", autouse=True)
def _unchecked() -> Iterator[None]:
    """Tracing hands functions symbolic numbers, which are not what their annotations say."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@cache
def exported(name: str) -> tuple[Model, Pieces]:
    torch.manual_seed(0)
    model = lmf_sr.build(*MODELS[name]).eval()
    return model, pieces_of(model)


def session_of(graph: Any) -> Any:
    return onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])


def run(session: Any, values: dict[str, Any]) -> dict[str, np.ndarray]:
    outputs = session.run(None, {value.name: values[value.name] for value in session.get_inputs()})
    return dict(zip([value.name for value in session.get_outputs()], outputs, strict=True))


def inputs_of(picture: torch.Tensor, height: int, width: int) -> dict[str, Any]:
    return {"picture": picture.numpy(), "height": np.array(height), "width": np.array(width)}


@pytest.mark.parametrize(
    "name",
    [
        name if name == "lm-liif" else pytest.param(name, marks=pytest.mark.slow)
        for name in MODELS
        if name not in LIKE_OTHERS
    ],
)
def test_one_graph_gives_the_pixels_of_pytorch_at_any_size(name: str) -> None:
    model, pieces = exported(name)
    upscale = session_of(upscale_graph(pieces, {}))
    for case, ((batch, h, w), (height, width)) in (CASES | SMALL).items():
        picture = torch.rand(batch, 3, h, w)
        upscaled = run(upscale, inputs_of(picture, height, width))["upscaled"]
        expected = model.encode(picture).render(height, width).numpy()
        assert upscaled.shape == expected.shape, case
        assert np.abs(upscaled - expected).max() < 1e-4, case


@pytest.mark.slow
def test_every_encoder_with_every_decoder() -> None:
    """Whole and in two graphs. An encoder is traced without its decoder, and all decoders here read features of 8 channels,
    so each of them is traced once."""
    assert {encoder["name"] for encoder in ENCODERS.values()} == set(choices("encoder"))
    assert {decoder["name"] for decoder in DECODERS.values()} == set(choices("decoder"))
    for encoder, decoder in product(ENCODERS, DECODERS):
        (of_encoder, encoded), (of_decoder, rest) = exported(encoder), exported(decoder)
        model = Model(of_encoder.encoder, of_decoder.decoder, {})
        pieces = rest._replace(encode=encoded.encode)
        whole, prepare, query = (session_of(graph(pieces, {})) for graph in (upscale_graph, prepare_graph, query_graph))
        for (batch, h, w), (height, width) in PAIRS:
            picture = torch.rand(batch, 3, h, w)
            grid = Grid.over(height, width)
            inputs = inputs_of(picture, height, width)
            axes = {"row_coords": grid.rows.numpy(), "column_coords": grid.cols.numpy()}
            expected = model.encode(picture).render(height, width, renderer="direct").numpy()
            for upscaled in (run(whole, inputs), run(query, run(prepare, inputs) | inputs | axes)):
                error = np.abs(upscaled["upscaled"] - expected).max()
                assert error < 1e-4, f"{encoder}, {decoder}, {w}x{h} to {width}x{height}"


@pytest.mark.parametrize("name", ["lm-liif", pytest.param("ciaosr", marks=pytest.mark.slow)])
def test_two_graphs_zoom(name: str) -> None:
    """A state is made once; then any window of the picture is rendered from it."""
    model, pieces = exported(name)
    picture = torch.rand(1, 3, 21, 26)
    state = run(session_of(prepare_graph(pieces, {})), inputs_of(picture, 210, 260))
    image = model.encode(picture)
    for region in ((0.0, 0.0, 1.0, 1.0), (0.31, 0.52, 0.2, 0.15)):
        height, width = round(210 * region[2]), round(260 * region[3])
        grid = Grid.over(height, width, region)
        coords = {"row_coords": grid.rows.numpy(), "column_coords": grid.cols.numpy(), "picture": picture.numpy()}
        rendered = run(session_of(query_graph(pieces, {})), state | coords)["upscaled"]
        assert np.abs(rendered - image.render(height, width, region).numpy()).max() < 1e-4


def test_only_operators_of_the_standard_and_no_grid_sample() -> None:
    _, pieces = exported("lm-liif")
    for graph in (upscale_graph, prepare_graph, query_graph):
        model = graph(pieces, {"model": "x"})
        assert [(opset.domain, opset.version >= 17) for opset in model.opset_import] == [("", True)]
        assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
        assert "GridSample" not in str(model)
        assert {entry.key: entry.value for entry in model.metadata_props} == {"model": "x"}
