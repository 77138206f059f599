"""An ONNX graph for onnxruntime, with int8 weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tagwright.errors import require
from tagwright.export.graph import silent
from tagwright.predict.runtimes.unreported import require_unreported

__all__ = ["quantize_weights"]


def quantize_weights(source: Path, file: Path) -> None:
    """Write a graph again with the weights of its matrix products in int8, one scale a column.

    Activations are quantised as they come (dynamic quantisation), with one scale for a whole batch. In the
    feed-forward layers a few pieces have activations several times as large as all others, which leaves these a
    handful of steps; so the rows that go into a product with a weight that is not square are divided by their
    largest value, and what comes out is multiplied by it. On MiniLM and WNUT 17 that took the entities that differ
    from 12% to 4%, for an eighth of the time. The product that makes the logits stays in fp32: it is too small to
    matter for the speed, and nothing behind it evens out its errors.

    Args:
        source: the graph in fp32; a file beside it is written and stays.
        file: where to.

    Raises:
        MissingExtraError: onnxruntime or onnx are not installed.
        OSError: the file cannot be written.
    """
    quantization = require_unreported("onnxruntime.quantization", "export")
    ir = require("onnx_ir", "export")
    outside = source.with_name(source.name + ".data").exists()
    scaled = source.with_name(f"{source.stem}-scaled.onnx")
    model = ir.load(str(source))
    head = _head(model.graph)
    for node in _wide_products(model.graph):
        if node not in head:
            _scale_rows(ir, model.graph, node)
    ir.save(model, str(scaled), external_data=f"{scaled.name}.data" if outside else None)
    with silent():
        quantization.quantize_dynamic(
            str(scaled),
            str(file),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in head],
            use_external_data_format=outside,
            extra_options={"MatMulConstBOnly": True},
        )


def _wide_products(graph: Any) -> list[Any]:
    """Return the products with a constant weight that has more rows than columns, or fewer."""
    found = []
    for node in graph:
        weight = node.inputs[1] if node.op_type == "MatMul" else None
        if weight is not None and weight.is_initializer() and len(weight.shape) == 2:
            rows, columns = weight.shape
            if rows != columns:
                found.append(node)
    return found


def _scale_rows(ir: Any, graph: Any, node: Any) -> None:
    """Let a product see its rows divided by their largest value, and give its result back multiplied by it."""
    rows, result = node.inputs[0], node.outputs[0]
    name = node.name

    def constant(value: Any, suffix: str) -> Any:
        tensor = ir.tensor(value, name=f"{name}_{suffix}")
        made = ir.Value(
            name=tensor.name, const_value=tensor, shape=tensor.shape, type=ir.TensorType(tensor.dtype)
        )
        graph.initializers.add(made)
        return made

    sizes = ir.node("Abs", [rows], name=f"{name}_sizes")
    largest = ir.node(
        "ReduceMax",
        [sizes.outputs[0], constant(np.array([-1]), "axis")],
        {"keepdims": 1},
        name=f"{name}_largest",
    )
    tiny = constant(np.array(1e-9, dtype=np.float32), "tiny")
    scale = ir.node("Max", [largest.outputs[0], tiny], name=f"{name}_scale")
    divided = ir.node("Div", [rows, scale.outputs[0]], name=f"{name}_divided")
    back = ir.node("Mul", [result, scale.outputs[0]], name=f"{name}_back")
    graph.insert_before(node, [sizes, largest, scale, divided])
    graph.insert_after(node, back)
    node.replace_input_with(0, divided.outputs[0])
    for user, place in list(result.uses()):
        if user is not back:
            user.replace_input_with(place, back.outputs[0])


def _head(graph: Any) -> list[Any]:
    """Return the matrix products that make the logits: those with nothing but sums behind them."""
    todo, found = [graph.outputs[0]], []
    while todo:
        node = todo.pop().producer()
        if node is None:
            continue
        if node.op_type in ("MatMul", "Gemm"):
            found.append(node)
        elif node.op_type in ("Add", "Identity", "Cast"):
            todo += [value for value in node.inputs if value is not None]
    return found
