"""The pieces of a model joined into the graphs that are written: one, or two for those who zoom.

    upscale    picture, height, width -> upscaled
    prepare    picture, height, width -> state            query    row_coords, column_coords, state -> upscaled

What loops over sizes is written here. Pixels are rendered in bands of rows, about `QUERIES` at a time, because all at once
would take 7 KB of memory for each and more. The cross-scale attention of CiaoSR's methods goes over the blocks that
`decoders/cross_scale.py` goes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper

from lmf_sr.decoders.cross_scale import BLOCK
from lmf_sr.exporting.nodes import Nodes
from lmf_sr.exporting.pieces import OPSET, Piece, Pieces

IR_VERSION = 10  # what ONNX Runtime has read since 1.18
QUERIES = 2048  # pixels rendered at a time: a layer 256 wide is then 8 MB at the four corners

FLOAT, INT64, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.DOUBLE
PICTURE = helper.make_tensor_value_info("picture", FLOAT, ["batch", 3, "h", "w"])
SIZE = [helper.make_tensor_value_info(name, INT64, []) for name in ("height", "width")]
AXES = [helper.make_tensor_value_info(name, DOUBLE, [name]) for name in ("row_coords", "column_coords")]
UPSCALED = helper.make_tensor_value_info("upscaled", FLOAT, ["batch", 3, None, None])


def upscale_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The whole model in one graph."""
    nodes = Nodes()
    known = {"picture": "picture", **_state(nodes, pieces, _features(nodes, pieces))}
    zero, one = nodes.constant(0), nodes.constant(1)
    at_once = nodes.Min(nodes.Max(nodes.Div(nodes.constant(QUERIES), "width"), one), "height")
    bands = nodes.Div(nodes.Sub(nodes.Add("height", at_once), one), at_once)
    columns = _centers(nodes, nodes.Range(zero, "width", one), "width")

    def band(inner: Nodes, turn: str, _: Sequence[str]) -> tuple[list[str], list[str]]:
        following = inner.Add(inner.Mul(turn, at_once), inner.Range(zero, at_once, one))
        pixels = inner.Min(following, inner.Sub("height", one))  # the last band may repeat the last row
        rows = _centers(inner, pixels, "height")
        return [], inner.piece(pieces.query, {**known, "row_coords": rows, "column_coords": columns})

    (stacked,) = nodes.loop(bands, [], band)
    ordered = nodes.Transpose(stacked, perm=[1, 2, 0, 3, 4])
    as_vectors = [nodes.Unsqueeze(nodes.size(ordered, axis), nodes.constant([0])) for axis in (0, 1, 4)]
    shape = nodes.Concat(*as_vectors[:2], nodes.constant([-1]), as_vectors[2], axis=0)
    whole = nodes.part(nodes.Reshape(ordered, shape), zero, "height", axis=2)
    return _model("upscale", nodes, [PICTURE, *SIZE], {whole: UPSCALED}, about)


def prepare_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """What is made once for a picture and a size: its state."""
    nodes = Nodes()
    state = _state(nodes, pieces, _features(nodes, pieces))
    return _model("prepare", nodes, [PICTURE, *SIZE], _state_outputs(pieces, state), about)


def encode_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The first half of `prepare`, which the size has no part in."""
    nodes = Nodes()
    features = _features(nodes, pieces)
    return _model("encode", nodes, [PICTURE], {features: _described(pieces.prepare, "features")}, about)


def state_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The second half."""
    nodes = Nodes()
    state = _state(nodes, pieces, "features")
    inputs = [_described(pieces.prepare, "features"), *SIZE]
    return _model("state", nodes, inputs, _state_outputs(pieces, state), about)


def query_graph(pieces: Pieces, about: Mapping[str, str]) -> onnx.ModelProto:
    """The pixels at any rows and columns, all at once."""
    nodes = Nodes()
    (upscaled,) = nodes.piece(pieces.query, {name: name for name in pieces.query.inputs})
    described = {value.name: value for value in (PICTURE, *AXES)}
    inputs = [described.get(name) or _described(pieces.query, name) for name in pieces.query.inputs]
    return _model("query", nodes, inputs, {upscaled: UPSCALED}, about)


def _features(nodes: Nodes, pieces: Pieces) -> str:
    """What the encoder makes of the picture."""
    multiple = pieces.encode.multiple
    (features,) = nodes.piece(pieces.encode, {"picture": _padded(nodes, "picture", multiple)})
    if multiple > 1:
        for axis in (2, 3):
            features = nodes.part(features, nodes.constant(0), nodes.size("picture", axis), axis)
    return features


def _state(nodes: Nodes, pieces: Pieces, features: str) -> dict[str, str]:
    """The state of features, by the names of its parts."""
    known = {"features": features, "height": "height", "width": "width"}
    if pieces.attend is not None:
        known["attended"] = _attended(nodes, pieces.attend, features)
    return dict(zip(pieces.prepare.outputs, nodes.piece(pieces.prepare, known), strict=True))


def _state_outputs(pieces: Pieces, state: Mapping[str, str]) -> dict[str, onnx.ValueInfoProto]:
    return {value: _described(pieces.prepare, name) for name, value in state.items()}


def _padded(nodes: Nodes, x: str, multiple: int) -> str:
    """Rows and columns added at the end, up to a multiple: reflected, again and again where there are too few."""
    if multiple == 1:
        return x
    zero, one, two, several = (nodes.constant(number) for number in (0, 1, 2, multiple))
    for axis in (2, 3):
        n = nodes.size(x, axis)
        rounded = nodes.Mul(nodes.Div(nodes.Add(n, nodes.Sub(several, one)), several), several)
        period = nodes.Max(nodes.Mul(nodes.Sub(n, one), two), one)
        position = nodes.Mod(nodes.Range(zero, rounded, one), period)
        x = nodes.Gather(x, nodes.Min(position, nodes.Sub(period, position)), axis=axis)
    return x


def _centers(nodes: Nodes, pixels: str, count: str) -> str:
    """`geometry.pixel_centers` of some of an axis' pixels, rounded alike."""
    number = nodes.Cast(nodes.Add(nodes.Mul(pixels, nodes.constant(2)), nodes.constant(1)), to=DOUBLE)
    extent = nodes.Div(nodes.constant(1.0), nodes.Cast(count, to=DOUBLE))
    return nodes.Add(nodes.constant(-1.0), nodes.Mul(number, extent))


def _attended(nodes: Nodes, attend: Piece, features: str) -> str:
    """N(F) of each image: blocks side by side make strips, and these, one below the other, an image."""
    zero, one, side = nodes.constant(0), nodes.constant(1), nodes.constant(BLOCK)
    images, h, w = (nodes.size(features, axis) for axis in (0, 2, 3))
    in_blocks = nodes.Greater(nodes.Mul(h, w), nodes.constant(BLOCK * BLOCK))
    down, across = (nodes.Where(in_blocks, nodes.Max(nodes.Div(n, side), one), one) for n in (h, w))

    def extent(inner: Nodes, number: str, count: str, n: str) -> tuple[str, str]:
        """Where a block begins and ends; the last takes the rest."""
        start = inner.Mul(number, side)
        last = inner.Equal(inner.Add(number, one), count)
        return start, inner.Where(last, n, inner.Add(start, side))

    def image(of_image: Nodes, b: str, images_before: Sequence[str]) -> tuple[list[str], list[str]]:
        picture = of_image.part(features, b, of_image.Add(b, one), axis=0)

        def strip(of_strip: Nodes, r: str, strips_before: Sequence[str]) -> tuple[list[str], list[str]]:
            top, bottom = extent(of_strip, r, down, h)
            above, below = of_strip.Max(of_strip.Sub(top, one), zero), of_strip.Min(of_strip.Add(bottom, one), h)
            lines = of_strip.part(picture, above, below, axis=2)

            def block(of_block: Nodes, c: str, blocks_before: Sequence[str]) -> tuple[list[str], list[str]]:
                left, right = extent(of_block, c, across, w)
                before, after = of_block.Max(of_block.Sub(left, one), zero), of_block.Min(of_block.Add(right, one), w)
                given = _padded(of_block, of_block.part(lines, before, after, axis=3), attend.multiple)
                (seen,) = of_block.piece(attend, {"block": given})
                seen = of_block.part(seen, of_block.Sub(top, above), of_block.Sub(bottom, above), axis=2)
                seen = of_block.part(seen, of_block.Sub(left, before), of_block.Sub(right, before), axis=3)
                return [of_block.Concat(blocks_before[0], seen, axis=3)], []

            none = of_strip.part(of_strip.part(picture, top, bottom, axis=2), zero, zero, axis=3)
            (made,) = of_strip.loop(across, [none], block)
            return [of_strip.Concat(strips_before[0], made, axis=2)], []

        (made,) = of_image.loop(down, [of_image.part(picture, zero, zero, axis=2)], strip)
        return [of_image.Concat(images_before[0], made, axis=0)], []

    return nodes.loop(images, [nodes.part(features, zero, zero, axis=0)], image)[0]


def _described(piece: Piece, name: str) -> onnx.ValueInfoProto:
    """The shape of an input or output, with names for its axes."""
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
    """A checked model; `outputs` says which value becomes which output."""
    for value, output in outputs.items():
        nodes.nodes.append(helper.make_node("Identity", [value], [output.name]))
    graph = helper.make_graph(nodes.nodes, name, inputs, list(outputs.values()), nodes.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lmf-sr")
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    return model
