"""`tagwright export`: what it prints, and where it refuses."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest

from tagwright.export import graph
from tests.train import toy

COMMAND = "export"

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))), reason="the extra export is not installed"
)


@pytest.fixture(scope="module")
def trained(corpus, encoder, tmp_path_factory):
    return toy.run(corpus, encoder, tmp_path_factory.mktemp("trained") / "run").path


def test_it_prints_the_report_and_json(call, trained, tmp_path, monkeypatch):
    code, out, err = call(trained, "--to", "onnx", "-o", tmp_path / "out")
    assert code == 0
    first, second = err.splitlines()
    assert first == f"tagwright: tracing {trained}"
    assert second.startswith("tagwright: comparing 16 sentences of ")
    for line in ("equal tags", "equal entities", "logits differ by up to", "F1 on validation", "words/s"):
        assert line in out
    traced = shutil.copy(tmp_path / "out" / "model.onnx", tmp_path)  # tracing takes seconds
    monkeypatch.setattr(graph, "write_graph", lambda model, file, *, pad_id: shutil.copy(traced, file))
    code, again, _ = call(trained, "--to", "onnx", "-o", tmp_path / "out", "--overwrite", "--json")
    assert code == 0
    result = json.loads(again)
    assert (result["runtime"], result["precision"]) == ("onnx", "fp32")
    written = json.loads((tmp_path / "out" / "tagwright.json").read_text())["export"]
    assert written["parity"] == result["parity"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "tflite", "-o", "out"], "'tflite' is not one of 'onnx', 'openvino'"),
        (["--to", "onnx"], "missing option '--out'"),
        (["-o", "out"], "missing option '--to'"),
        (["--to", "onnx", "-o", "out", "--static"], "--static is a way to int8; give --int8 with it"),
        (["--to", "onnx", "-o", "out", "--int8", "--max-drop", "-1"], "a drop of F1 of -1 cannot be allowed"),
    ],
)
def test_wrong_calls(call, trained, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(trained, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_bundle(call, tmp_path):
    code, _, err = call(tmp_path / "nothing", "--to", "onnx", "-o", tmp_path / "out")
    assert code == 2
    assert "there is no such folder" in err
