from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tagwright.export import graph
from tagwright.export.write import Exported, export
from tests.train import toy


def need(*modules: str) -> None:
    """Skip a test where a library is not installed, without importing it: some report that."""
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def copy_graph(patch: pytest.MonkeyPatch, export: Exported) -> None:
    """Let exports of the same tagger take the graph of one that is there: tracing takes seconds."""
    found = Path(export.out) / "model.onnx"
    patch.setattr(graph, "write_graph", lambda model, file, *, pad_id: shutil.copyfile(found, file))


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    need("onnx", "onnxscript", "onnxruntime")


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory) -> Path:
    return toy.write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="session")
def trained(toy_data, tmp_path_factory) -> Path:
    """A tagger that has learned something, so that few of its words are near-ties."""
    folder = tmp_path_factory.mktemp("trained")
    encoder = toy.write_encoder(folder / "encoder")
    return toy.run(toy_data, encoder, folder / "run", train__epochs=4).path


@pytest.fixture(scope="session")
def made(trained, tmp_path_factory):
    """Export the trained tagger once for each target and precision."""
    found: dict[tuple[str, bool], Exported] = {}

    def of(target: str, *, int8: bool = False) -> Exported:
        if target == "openvino":
            need("openvino", *["nncf"] * int8)
        if (target, int8) not in found:
            out = tmp_path_factory.mktemp("exports") / f"{target}{'-int8' * int8}"
            with pytest.MonkeyPatch.context() as patch:
                if (target, int8) != ("onnx", False):
                    copy_graph(patch, of("onnx"))
                found[target, int8] = export(trained, target, out, int8=int8)
        return found[target, int8]

    return of


@pytest.fixture
def traced(made, monkeypatch):
    """Take the graph of `trained` from the export that is there."""
    copy_graph(monkeypatch, made("onnx"))
