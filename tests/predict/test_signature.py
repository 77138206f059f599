"""A graph of another make is refused in a line when it is loaded, or at the first batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tagwright.errors import InputError
from tagwright.predict.runtimes import load_runtime
from tagwright.predict.runtimes.signature import Port, check_signature
from tagwright.predict.tagger import Tagger
from tests.models import TEXT, tiny_bundle
from tests.predict.exported import needs_runtimes, onnx_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "run")


MASK = Port("attention_mask", "int64", (None, None))
IDS = Port("input_ids", "int64", (None, None))
LOGITS = Port("logits", "float32", (None, None, 3))


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([MASK], [LOGITS], "the model has no input input_ids; it has attention_mask (int64; any, any)"),
        ([IDS, MASK], [], "the model has no output logits; it has none"),
        (
            [IDS, MASK, Port("token_type_ids", "int64", None)],
            [LOGITS],
            "inputs that are not given: token_type_ids (int64)",
        ),
        (
            [Port("input_ids", "int32", (None, None)), MASK],
            [LOGITS],
            "input input_ids (int32; any, any) is not int64",
        ),
        ([IDS, MASK], [Port("logits", "float16", None)], "output logits (float16) is not float32"),
        (
            [IDS, Port("attention_mask", "int64", (1, 128))],
            [LOGITS],
            "(int64; 1, 128) is not of any size (windows, pieces)",
        ),
        ([IDS, MASK], [Port("logits", "float32", (None, 3))], "is not of any size (windows, pieces, labels)"),
        (
            [IDS, MASK],
            [Port("logits", "float32", (None, None, 9))],
            "gives 9 logits a piece and the bundle has 3 labels",
        ),
    ],
)
def test_another_signature_is_refused(inputs, outputs, message):
    with pytest.raises(InputError) as caught:
        check_signature("model.onnx", inputs, outputs, 3)
    assert message in str(caught.value)


def test_dimensions_that_are_free_will_do():
    check_signature(
        "x", [MASK, IDS], [Port("hidden", "float32", None), Port("logits", "float32", (None,) * 3)], 3
    )


@needs_runtimes
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_graph_of_another_bundle_is_refused(bundle, tmp_path, runtime):
    from onnx import TensorProto, helper, save

    def save_graph(file, labels):
        make = helper.make_tensor_value_info
        free = make("logits", TensorProto.FLOAT, ["w", "p", labels])
        one = helper.make_tensor("one", TensorProto.FLOAT, [1, 1, 4], np.ones(4, np.float32))
        axes = helper.make_tensor("axes", TensorProto.INT64, [1], [2])
        nodes = [
            helper.make_node("Add", ["input_ids", "attention_mask"], ["sum"]),
            helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["real", "axes"], ["wide"]),
            helper.make_node("Mul", ["wide", "one"], ["logits"]),
        ]
        inputs = [make(name, TensorProto.INT64, ["w", "p"]) for name in ("input_ids", "attention_mask")]
        graph = helper.make_graph(nodes, "g", inputs, [free], [one, axes])
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
        return file

    folder = onnx_bundle(tmp_path / "four", bundle, save_graph(tmp_path / "four.onnx", 4))
    with pytest.raises(
        InputError, match=r"model\.onnx: the model gives 4 logits a piece and the bundle has 13 labels"
    ):
        load_runtime(folder, runtime=runtime)
    folder = onnx_bundle(tmp_path / "free", bundle, save_graph(tmp_path / "free.onnx", "labels"))
    with pytest.raises(
        InputError, match=r"model\.onnx: the model gives 4 logits a piece and the bundle has 13 labels"
    ):
        Tagger.load(folder, runtime=runtime)(TEXT)
