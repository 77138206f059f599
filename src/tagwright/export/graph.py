"""A model as an ONNX graph: pieces and mask in, logits out, both dimensions free."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tagwright.errors import RunError, require
from tagwright.model.huggingface import first_line, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["INPUTS", "OUTPUT", "padded_example", "silent", "write_graph"]

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "logits"
DIMENSIONS = ("windows", "pieces")

ONE_FILE = 1_900_000_000
"""Bytes of weights up to which the graph holds them; a protobuf ends at 2 GiB."""


class _Logits(torch.nn.Module):
    """Reduces a model to the two arrays that go in and the one that comes out."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def padded_example(pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pieces and mask to trace with: three windows of different lengths, so that the mask matters.

    Where every piece is attended to, transformers leaves the mask out, and a trace of that answers wrongly on
    every padded batch.

    Returns:
        `input_ids` and `attention_mask`: int64, shape (3, 7).
    """
    lengths = torch.tensor([4, 7, 2])
    mask = (torch.arange(7) < lengths[:, None]).long()
    pieces = torch.arange(1, 22).reshape(3, 7) % 5
    return torch.where(mask == 1, pieces, pad_id), mask


def write_graph(model: PreTrainedModel, file: Path, *, pad_id: int) -> None:
    """Trace a model and write it as ONNX.

    The inputs are `input_ids` and `attention_mask`, int64 of shape (windows, pieces), the output is `logits`,
    float32 of shape (windows, pieces, labels). Above 2 GB the weights lie in `FILE.data`.

    Args:
        model: a token-classification model in fp32 on the CPU; its attention is switched to the plain one.
        file: where to.
        pad_id: the padding piece.

    Raises:
        RunError: the exporter cannot trace this architecture.
        MissingExtraError: onnx or onnxscript are not installed.
        OSError: the file cannot be written.
    """
    require("onnx", "export")
    require("onnxscript", "export")
    kind = model.config.model_type
    try:
        with silent():
            # The fused attention is taken apart into twice the nodes: slices, NaN guards and a mask a layer.
            model.set_attn_implementation("eager")
            program = _trace(_Logits(model.eval()).eval(), padded_example(pad_id))
    except Exception as error:  # the exporter raises whatever the traced code and its own passes raise
        raise RunError(
            f"a model of type {kind} cannot be traced: {first_line(error)}",
            mend="docs/export.md names what can be exported",
        ) from error
    _tidy(program.model, len(model.config.id2label))
    size = sum(weight.nbytes for weight in model.state_dict().values())
    with silent():
        program.save(str(file), external_data=size > ONE_FILE)


def _trace(module: torch.nn.Module, example: tuple[torch.Tensor, torch.Tensor]) -> Any:
    free = dict.fromkeys((0, 1), torch.export.Dim.DYNAMIC)
    return torch.onnx.export(
        module,
        example,
        dynamo=True,
        input_names=INPUTS,
        output_names=(OUTPUT,),
        dynamic_shapes=dict.fromkeys(INPUTS, free),
        verbose=False,
    )


def _tidy(model: Any, labels: int) -> None:
    """Name the dimensions, and take out what is of no use to a runtime.

    The exporter writes into every node the Python stack that made it, with this machine's paths. The shapes in
    between lead onnxruntime to fuse sum and layer norm into a kernel that takes four times as long as the two.
    """
    ir = require("onnx_ir", "export")
    graph = model.graph
    for node in graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
            if not value.is_graph_output():
                value.shape = value.type = None
    for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
        value.metadata_props.clear()
    for value in graph.inputs:
        value.shape = ir.Shape(DIMENSIONS)
    graph.outputs[0].shape = ir.Shape((*DIMENSIONS, labels))
    graph.metadata_props.clear()
    model.metadata_props.clear()
    graph.name = "tagwright"


@contextmanager
def silent() -> Iterator[None]:
    """Keep what exporters, converters and quantisers print, log and warn off the terminal."""
    before = logging.root.manager.disable
    with quiet(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
