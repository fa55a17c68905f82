"""The pieces of a model as ONNX graphs, which PyTorch traces from the model's own code.

    encode     picture (B, 3, h, w) in [0, 1]                       -> features
    attend     features (1, C, n, m) of one block                   -> N(F) of the block            (CiaoSR's methods only)
    prepare    features, height, width (and N(F))                   -> state, the cell clipped within
    query      rows (H), columns (W), state (and the picture)       -> (B, 3, H, W) in [0, 1]

Every size is symbolic, so nothing in a graph depends on the sizes of its tracing. A tracer unrolls loops over sizes, so
`assembly.py` adds these.

Coordinates are float64, and their arithmetic is that of `geometry.py`, operation for operation, so that a tie between
two latents falls to the same one. The LR skip is gathered, because runtimes differ in GridSample.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import onnx
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lmf_sr.decoders.cross_scale import CrossScaleAttention
from lmf_sr.geometry import clip_cell
from lmf_sr.model import Model
from lmf_sr.normalisation import normalise
from lmf_sr.rendering.pixel_axes import LerpAxis
from lmf_sr.rendering.upsampling import between_pixels

OPSET = 18
TRACED, ALSO = (2, 17, 20), (3, 18, 23)  # batch, height and width; an axis that differs between the two is symbolic


class Piece(NamedTuple):
    graph: onnx.GraphProto
    inputs: list[str]
    outputs: list[str]
    multiple: int = 1
    """The sides of its first input have to be multiples of this number."""


class Pieces(NamedTuple):
    encode: Piece
    attend: Piece | None
    prepare: Piece
    query: Piece


def pieces_of(model: Model, progress: Callable[[str], None] = lambda piece: None) -> Pieces:
    """Traces a model, which takes seconds to minutes; `progress` is called with the name of each piece beforehand."""
    model = model.eval()
    decoder = model.decoder
    attention = getattr(decoder, "cross_scale", None)
    multiple = model.encoder.tile_multiple
    size = torch.tensor(20), torch.tensor(31)
    with torch.no_grad():
        pictures = [torch.rand(batch, 3, h, w) for batch, h, w in (TRACED, ALSO)]
        features = [model.encoder(picture) for picture in pictures]
        whole = [torch.rand(batch, 3, h * multiple, w * multiple) for batch, h, w in (TRACED, ALSO)]
        prepare_examples = [(part, *size) if attention is None else (part, *size, attention(part)) for part in features]
        prepare = _Prepare(model)
        states = [prepare(*arguments) for arguments in prepare_examples]
    state_kind = type(prepare.state)

    progress("encode")
    encode = _traced(_Encode(model), [(picture,) for picture in whole], ["picture"], ["features"], multiple)
    attend = None
    if attention is not None:
        progress("attend")
        blocks = [(torch.rand(1, features[0].shape[1], 2 * h, 2 * w),) for _, h, w in (TRACED, ALSO)]
        attend = _traced(_Attend(attention), blocks, ["block"], ["attended"], multiple=2)
    progress("prepare")
    prepare_inputs = ["features", "height", "width", *([] if attention is None else ["attended"])]
    prepared = _traced(prepare, prepare_examples, prepare_inputs, state_kind._fields)
    progress("query")
    lines = [(torch.linspace(-0.9, 0.9, n).double(), torch.linspace(-0.9, 0.9, n + 2).double()) for n in (5, 6)]
    skip = ["picture"] if decoder.lr_skip else []
    query_examples = [
        (*axes, state, *([picture] if skip else []))
        for axes, state, picture in zip(lines, states, pictures, strict=True)
    ]
    query_inputs = ["row_coords", "column_coords", *state_kind._fields, *skip]
    query = _traced(_Query(model, state_kind), query_examples, query_inputs, ["upscaled"])
    return Pieces(encode, attend, prepared, query)


class _Encode(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.encoder = model.encoder

    def forward(self, picture: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        return self.encoder(normalise(picture))


class _Attend(nn.Module):
    def __init__(self, attention: CrossScaleAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, block: Float[Tensor, "1 C n m"]) -> Float[Tensor, "1 C n m"]:
        return self.attention.attend(block)


class _Prepare(nn.Module):
    """The state of a picture for an output of `height` x `width`. The output of the cross-scale attention is an input."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.state: Any = None  # the last state, for the names of its parts

    def forward(
        self,
        features: Float[Tensor, "B C h w"],
        height: Tensor,
        width: Tensor,
        attended: Float[Tensor, "B C h w"] | None = None,
    ) -> tuple[Tensor, ...]:
        cell = 2 / torch.stack([height, width]).to(features.dtype)
        cell = clip_cell(cell, features.shape[-2:]).expand(features.shape[0], 1, 2)
        with patch.object(CrossScaleAttention, "forward", lambda self, features: attended):
            state = self.decoder.prepare(features, cell)
        if not torch.compiler.is_compiling():
            self.state = state
        return tuple(state)


class _Query(nn.Module):
    def __init__(self, model: Model, state: Any) -> None:
        super().__init__()
        self.decoder, self.state = model.decoder, state

    def forward(
        self,
        rows: Float[Tensor, " H"],
        columns: Float[Tensor, " W"],
        state: tuple[Tensor, ...],
        picture: Float[Tensor, "B 3 h w"] | None = None,
    ) -> Float[Tensor, "B 3 H W"]:
        batch, H, W = state[0].shape[0], rows.shape[0], columns.shape[0]
        coords = torch.stack(torch.broadcast_tensors(rows[:, None], columns), dim=-1).reshape(1, H * W, 2)
        rgb = self.decoder.query(self.state(*state), coords.expand(batch, H * W, 2))
        rgb = rgb.transpose(1, 2).reshape(batch, 3, H, W) * 0.5 + 0.5
        return (rgb if picture is None else rgb + _skip(picture, rows, columns)).clamp(0, 1)


def _skip(
    picture: Float[Tensor, "B 3 h w"], rows: Float[Tensor, " H"], columns: Float[Tensor, " W"]
) -> Float[Tensor, "B 3 H W"]:
    """`geometry.sample_bilinear` of [0, 1] on a grid, minus the middle grey that the decoder's summand already has."""
    lr = picture - 0.5
    for axis, p in ((-2, rows), (-1, columns)):
        lr = between_pixels(lr, LerpAxis.from_coordinates(p, lr.shape[axis]), axis)
    return lr


def _traced(
    module: nn.Module,
    examples: Sequence[tuple[Any, ...]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    multiple: int = 1,
) -> Piece:
    """The module as a graph. `examples` are arguments of two sizes; inputs that the module does not read are left out.

    A module that pads to a multiple is traced with sides that are multiples, so its padding is not traced: sizes that are
    rounded up take a tracer minutes, and ONNX rounds quotients of negative numbers differently.
    """
    with _quiet(), sdpa_kernel(SDPBackend.MATH):
        program = torch.onnx.export(
            module.eval(),
            examples[0],
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=_symbolic(examples[0], examples[1], multiple),
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto.graph
    read = {name for node in graph.node for name in node.input}
    return Piece(graph, [name.name for name in graph.input if name.name in read], list(outputs), multiple)


def _symbolic(one: Any, other: Any, multiple: int) -> Any:
    """The axes, for each tensor of two examples, in which the two differ."""
    if isinstance(one, tuple):
        return tuple(_symbolic(*both, multiple) for both in zip(one, other, strict=True))
    sizes = zip(one.shape, other.shape, strict=True)
    axes = [axis for axis, (a, b) in enumerate(sizes) if a != b]
    if multiple == 1:
        return dict.fromkeys(axes, torch.export.Dim.DYNAMIC) or None
    return {
        axis: torch.export.Dim(f"side_{axis}") * multiple if axis >= 2 else torch.export.Dim.DYNAMIC for axis in axes
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's remarks on missing packages and coming changes."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
