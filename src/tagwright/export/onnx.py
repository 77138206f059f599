"""An ONNX graph for onnxruntime: as it is, or with int8 weights."""

from __future__ import annotations

from pathlib import Path

from tagwright.errors import require
from tagwright.export.graph import OUTPUT, silent

__all__ = ["quantize_weights"]


def quantize_weights(source: Path, file: Path) -> None:
    """Write a graph again with the weights of its matrix products in int8, one scale a column.

    Activations are quantised as they come, batch by batch (dynamic quantisation). The products of the head stay in
    fp32: they are too small to matter for the speed, and nothing behind them evens out their errors.

    Args:
        source: the graph in fp32.
        file: where to.

    Raises:
        MissingExtraError: onnxruntime or onnx are not installed.
        OSError: the file cannot be written.
    """
    quantization = require("onnxruntime.quantization", "export")
    onnx = require("onnx", "export")
    graph = onnx.load(str(source), load_external_data=False).graph
    with silent():
        quantization.quantize_dynamic(
            str(source),
            str(file),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_head(graph),
            use_external_data_format=source.with_name(source.name + ".data").exists(),
            extra_options={"MatMulConstBOnly": True},
        )


def _head(graph: object) -> list[str]:
    """Return the names of the matrix products that make the logits: those with nothing but sums behind them."""
    makers = {name: node for node in graph.node for name in node.output}  # type: ignore[attr-defined]  # a protobuf
    todo, found = [OUTPUT], []
    while todo:
        node = makers.get(todo.pop())
        if node is None:
            continue
        if node.op_type in ("MatMul", "Gemm"):
            found.append(node.name)
        elif node.op_type in ("Add", "Identity", "Cast"):
            todo += node.input
    return found
