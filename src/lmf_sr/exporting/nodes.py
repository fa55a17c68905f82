"""A small notation for ONNX graphs: `nodes.Add(x, y)` adds a node and gives the name of its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lmf_sr.exporting.pieces import Piece


class Nodes:
    """The nodes of a graph that is being written. A value is known by its name."""

    def __init__(self, outer: Nodes | None = None) -> None:
        """`outer` is the graph around the body of a loop, whose values the body may read."""
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = [] if outer is None else outer.weights
        self._names: list[str] = [] if outer is None else outer._names

    def __getattr__(self, operator: str) -> Callable[..., str]:
        return lambda *inputs, **attributes: self.node(operator, inputs, 1, **attributes)[0]

    def node(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        names = [self._name(operator.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def constant(self, value: int | float | Sequence[int]) -> str:
        """A constant: an int or a list of ints as int64, a float as float64."""
        array = np.array(value, dtype=np.float64 if isinstance(value, float) else np.int64)
        name = self._name("constant")
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def part(self, x: str, start: str, stop: str, axis: int) -> str:
        """The slice of `x` from `start` up to `stop`, both scalars, along an axis."""
        first, last = (self.Unsqueeze(at, self.constant([0])) for at in (start, stop))
        return self.Slice(x, first, last, self.constant([axis]))

    def size(self, x: str, axis: int) -> str:
        return self.Squeeze(self.Shape(x, start=axis, end=axis + 1), self.constant([0]))

    def piece(self, piece: Piece, values: dict[str, str]) -> list[str]:
        """Adds a copy of a piece and gives the names of its outputs. `values` maps its inputs to values of this graph."""
        mark = self._name("piece")
        renamed = {name: values[name] for name in piece.inputs} | {"": ""}

        def here(name: str) -> str:
            return renamed.setdefault(name, f"{mark}_{name}")

        for weight in piece.graph.initializer:
            copied = onnx.TensorProto()
            copied.CopyFrom(weight)
            copied.name = here(weight.name)
            self.weights.append(copied)
        for node in piece.graph.node:
            inputs, outputs = ([here(name) for name in names] for names in (node.input, node.output))
            added = helper.make_node(node.op_type, inputs, outputs, domain=node.domain)
            added.attribute.extend(node.attribute)
            self.nodes.append(added)
        return [here(name) for name in piece.outputs]

    def loop(
        self, count: str, carried: Sequence[str], body: Callable[[Nodes, str, list[str]], tuple[list[str], list[str]]]
    ) -> list[str]:
        """Runs a body `count` times, and gives the values carried out of the last turn and the stacks.

        Args:
            count: number of turns.
            carried: values that the first turn begins with.
            body: takes the nodes of a turn, its number and the values carried into it; gives the values carried on and
                the values that are stacked, turn by turn.
        """
        inner = Nodes(self)
        turn, going = inner._name("turn"), inner._name("going")
        names = [inner._name("carried") for _ in carried]
        onward, stacked = body(inner, turn, names)
        inputs = [
            helper.make_tensor_value_info(turn, onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info(going, onnx.TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names),
        ]
        goes_on = inner.Identity(going)
        outputs = [helper.make_tensor_value_info(goes_on, onnx.TensorProto.BOOL, [])]
        outputs += [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (*onward, *stacked)]
        graph = helper.make_graph(inner.nodes, inner._name("body"), inputs, outputs)
        return self.node("Loop", [count, "", *carried], len(carried) + len(stacked), body=graph)

    def _name(self, kind: str) -> str:
        self._names.append(kind)
        return f"{kind}_{len(self._names)}"
