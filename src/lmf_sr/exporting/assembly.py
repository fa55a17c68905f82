"""Joins the pieces of a model into the graphs that are written: one, or two to zoom with.

    upscale    picture, height, width -> upscaled
    prepare    picture, height, width -> state            query    row_coords, column_coords, state -> upscaled

Loops over sizes are written here, because a tracer unrolls them. Pixels are rendered in bands of rows, about `QUERIES`
at a time, because each needs 7 KB of memory and more. The cross-scale attention of CiaoSR's methods is computed block by
block, with the blocks of `decoders/cross_scale.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper

from lmf_sr.decoders.cross_scale import BLOCK
from lmf_sr.exporting.nodes import Nodes
from lmf_sr.exporting.pieces import OPSET, Piece, Pieces

IR_VERSION = 10  # ONNX Runtime reads it since 1.18
QUERIES = 2048  # pixels rendered at a time: the values of a layer 256 wide are then 8 MB at the four corners

FLOAT, INT64, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.DOUBLE
PICTURE = helper.make_tensor_value_info("picture", FLOAT, ["batch", 3, "h", "w"])
SIZE = [helper.make_tensor_value_info(name, INT64, []) for name in ("height", "width")]
AXES = [helper.make_tensor_value_info(name, DOUBLE, [name]) for name in ("row_coords", "column_coords")]
UPSCALED = helper.make_tensor_value_info("upscaled", FLOAT, ["batch", 3, None, None])


def upscale_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The whole model in one graph."""
    nodes = Nodes()
    values = {"picture": "picture", **_state(nodes, pieces, _features(nodes, pieces))}
    zero, one = nodes.constant(0), nodes.constant(1)
    at_once = nodes.Min(nodes.Max(nodes.Div(nodes.constant(QUERIES), "width"), one), "height")
    bands = nodes.Div(nodes.Sub(nodes.Add("height", at_once), one), at_once)
    columns = _centers(nodes, nodes.Range(zero, "width", one), "width")

    def band(inner: Nodes, turn: str, _: Sequence[str]) -> tuple[list[str], list[str]]:
        following = inner.Add(inner.Mul(turn, at_once), inner.Range(zero, at_once, one))
        pixels = inner.Min(following, inner.Sub("height", one))  # the last band may repeat the last row
        rows = _centers(inner, pixels, "height")
        return [], inner.piece(pieces.query, {**values, "row_coords": rows, "column_coords": columns})

    (stacked,) = nodes.loop(bands, [], band)
    ordered = nodes.Transpose(stacked, perm=[1, 2, 0, 3, 4])
    as_vectors = [nodes.Unsqueeze(nodes.size(ordered, axis), nodes.constant([0])) for axis in (0, 1, 4)]
    shape = nodes.Concat(*as_vectors[:2], nodes.constant([-1]), as_vectors[2], axis=0)
    whole = nodes.part(nodes.Reshape(ordered, shape), zero, "height", axis=2)
    return _model("upscale", nodes, [PICTURE, *SIZE], {whole: UPSCALED}, about)


def prepare_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The state, which is made once for a picture and a size."""
    nodes = Nodes()
    state = _state(nodes, pieces, _features(nodes, pieces))
    return _model("prepare", nodes, [PICTURE, *SIZE], _state_outputs(pieces, state), about)


def encode_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The first half of `prepare`, which does not depend on the size."""
    nodes = Nodes()
    features = _features(nodes, pieces)
    return _model("encode", nodes, [PICTURE], {features: _described(pieces.prepare, "features")}, about)


def state_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The second half of `prepare`, from features to the state."""
    nodes = Nodes()
    state = _state(nodes, pieces, "features")
    inputs = [_described(pieces.prepare, "features"), *SIZE]
    return _model("state", nodes, inputs, _state_outputs(pieces, state), about)


def query_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The pixels at any rows and columns, rendered all at once."""
    nodes = Nodes()
    (upscaled,) = nodes.piece(pieces.query, {name: name for name in pieces.query.inputs})
    described = {value.name: value for value in (PICTURE, *AXES)}
    inputs = [described.get(name) or _described(pieces.query, name) for name in pieces.query.inputs]
    return _model("query", nodes, inputs, {upscaled: UPSCALED}, about)


def _features(nodes: Nodes, pieces: Pieces) -> str:
    """The features of the picture."""
    multiple = pieces.encode.multiple
    (features,) = nodes.piece(pieces.encode, {"picture": _padded(nodes, "picture", multiple)})
    if multiple > 1:
        for axis in (2, 3):
            features = nodes.part(features, nodes.constant(0), nodes.size("picture", axis), axis)
    return features


def _state(nodes: Nodes, pieces: Pieces, features: str) -> dict[str, str]:
    """The state that features give: its parts by name."""
    values = {"features": features, "height": "height", "width": "width"}
    if pieces.attend is not None:
        values["attended"] = _attended(nodes, pieces.attend, features)
    return dict(zip(pieces.prepare.outputs, nodes.piece(pieces.prepare, values), strict=True))


def _state_outputs(pieces: Pieces, state: Mapping[str, str]) -> dict[str, onnx.ValueInfoProto]:
    return {value: _described(pieces.prepare, name) for name, value in state.items()}


def _padded(nodes: Nodes, x: str, multiple: int) -> str:
    """`x` with rows and columns added at the end, up to a multiple; they are reflected, repeatedly where `x` is short."""
    if multiple == 1:
        return x
    zero, one, two, step = (nodes.constant(number) for number in (0, 1, 2, multiple))
    for axis in (2, 3):
        n = nodes.size(x, axis)
        rounded = nodes.Mul(nodes.Div(nodes.Add(n, nodes.Sub(step, one)), step), step)
        period = nodes.Max(nodes.Mul(nodes.Sub(n, one), two), one)
        position = nodes.Mod(nodes.Range(zero, rounded, one), period)
        x = nodes.Gather(x, nodes.Min(position, nodes.Sub(period, position)), axis=axis)
    return x


def _centers(nodes: Nodes, pixels: str, count: str) -> str:
    """`geometry.pixel_centers` of the pixels given, of an axis of `count`, with the same rounding."""
    number = nodes.Cast(nodes.Add(nodes.Mul(pixels, nodes.constant(2)), nodes.constant(1)), to=DOUBLE)
    extent = nodes.Div(nodes.constant(1.0), nodes.Cast(count, to=DOUBLE))
    return nodes.Add(nodes.constant(-1.0), nodes.Mul(number, extent))


def _attended(nodes: Nodes, attend: Piece, features: str) -> str:
    """N(F) of each image: blocks side by side make strips, and strips below each other an image."""
    zero, one, side = nodes.constant(0), nodes.constant(1), nodes.constant(BLOCK)
    images, h, w = (nodes.size(features, axis) for axis in (0, 2, 3))
    in_blocks = nodes.Greater(nodes.Mul(h, w), nodes.constant(BLOCK * BLOCK))
    down, across = (nodes.Where(in_blocks, nodes.Max(nodes.Div(n, side), one), one) for n in (h, w))

    def extent(inner: Nodes, number: str, count: str, n: str) -> tuple[str, str]:
        """The start and end of a block; the last block takes the rest."""
        start = inner.Mul(number, side)
        last = inner.Equal(inner.Add(number, one), count)
        return start, inner.Where(last, n, inner.Add(start, side))

    def image(in_image: Nodes, b: str, images_before: Sequence[str]) -> tuple[list[str], list[str]]:
        picture = in_image.part(features, b, in_image.Add(b, one), axis=0)

        def strip(in_strip: Nodes, r: str, strips_before: Sequence[str]) -> tuple[list[str], list[str]]:
            top, bottom = extent(in_strip, r, down, h)
            above, below = in_strip.Max(in_strip.Sub(top, one), zero), in_strip.Min(in_strip.Add(bottom, one), h)
            lines = in_strip.part(picture, above, below, axis=2)

            def block(in_block: Nodes, c: str, blocks_before: Sequence[str]) -> tuple[list[str], list[str]]:
                left, right = extent(in_block, c, across, w)
                before, after = in_block.Max(in_block.Sub(left, one), zero), in_block.Min(in_block.Add(right, one), w)
                padded = _padded(in_block, in_block.part(lines, before, after, axis=3), attend.multiple)
                (attended,) = in_block.piece(attend, {"block": padded})
                attended = in_block.part(attended, in_block.Sub(top, above), in_block.Sub(bottom, above), axis=2)
                attended = in_block.part(attended, in_block.Sub(left, before), in_block.Sub(right, before), axis=3)
                return [in_block.Concat(blocks_before[0], attended, axis=3)], []

            empty = in_strip.part(in_strip.part(picture, top, bottom, axis=2), zero, zero, axis=3)
            (blocks,) = in_strip.loop(across, [empty], block)
            return [in_strip.Concat(strips_before[0], blocks, axis=2)], []

        (strips,) = in_image.loop(down, [in_image.part(picture, zero, zero, axis=2)], strip)
        return [in_image.Concat(images_before[0], strips, axis=0)], []

    return nodes.loop(images, [nodes.part(features, zero, zero, axis=0)], image)[0]


def _described(piece: Piece, name: str) -> onnx.ValueInfoProto:
    """An input or output of a piece, with names for its symbolic axes."""
    value = next(value for value in (*piece.graph.input, *piece.graph.output) if value.name == name)
    axes = value.type.tensor_type.shape.dim
    shape = [axis.dim_value or (f"{name}_{number}" if number else "batch") for number, axis in enumerate(axes)]
    return helper.make_tensor_value_info(name, value.type.tensor_type.elem_type, shape)


def _model(
    name: str,
    nodes: Nodes,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Mapping[str, onnx.ValueInfoProto],
    about: Mapping[str, str],
) -> onnx.ModelProto:
    """A checked model; `outputs` maps values to the outputs that they become."""
    for value, output in outputs.items():
        nodes.nodes.append(helper.make_node("Identity", [value], [output.name]))
    graph = helper.make_graph(nodes.nodes, name, inputs, list(outputs.values()), nodes.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lmf-sr")
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    return model
