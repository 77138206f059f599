"""Runtimes refuse what they would answer wrongly, say so in a line, and give up on nothing but memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tagwright.errors import InputError, MissingExtraError
from tagwright.model.bundle import load_model, read_meta
from tagwright.predict.runtimes import load_runtime
from tagwright.predict.tagger import Tagger
from tests.models import TEXT, tiny_bundle
from tests.predict.exported import exported, needs_runtimes, onnx_bundle, openvino_bundle, write_graph_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "run")


@pytest.fixture(scope="module")
def graph(bundle, tmp_path_factory) -> Path:
    return write_graph_of(bundle, tmp_path_factory.mktemp("graph") / "graph.onnx")


@pytest.fixture(scope="module")
def onnx(bundle, graph, tmp_path_factory) -> Path:
    return onnx_bundle(tmp_path_factory.mktemp("onnx") / "bundle", bundle, graph)


@pytest.fixture(scope="module")
def openvino(bundle, graph, tmp_path_factory) -> Path:
    return openvino_bundle(tmp_path_factory.mktemp("openvino") / "bundle", bundle, graph)


def copied(bundle: Path, folder: Path, **export) -> Path:
    """Copy an exported bundle and change what it says of itself."""
    shutil.copytree(bundle, folder)
    record = json.loads((folder / "tagwright.json").read_text())
    record["export"] |= export
    (folder / "tagwright.json").write_text(json.dumps(record))
    return folder


# A runtime or a precision that does not suit the folder


def test_weights_run_on_torch_alone(bundle):
    for runtime in ("onnx", "openvino"):
        with pytest.raises(InputError) as caught:
            load_runtime(bundle, runtime=runtime)
        assert str(caught.value) == (
            f"{bundle}: the bundle holds weights, which run on torch, not on {runtime}; "
            f"tagwright export {bundle} --to {runtime} -o DIR"
        )
    with pytest.raises(
        InputError, match=r"torch does not compute a bundle with weights in int8; .*--int8 -o DIR"
    ):
        load_runtime(bundle, precision="int8")


@needs_runtimes
@pytest.mark.parametrize(
    ("kind", "export", "options", "message"),
    [
        (
            "onnx",
            {},
            {"runtime": "torch"},
            "was exported for onnx in fp32, and does not run on torch; name --runtime onnx",
        ),
        ("openvino", {}, {"runtime": "onnx"}, "was exported for openvino in fp32, and does not run on onnx"),
        (
            "onnx",
            {"precision": "int8"},
            {"runtime": "openvino"},
            "was exported for onnx in int8, and does not run on open",
        ),
        (
            "onnx",
            {},
            {"precision": "bf16"},
            "onnx does not compute an export in fp32 in bf16; name fp32; bf16 runs on",
        ),
        (
            "onnx",
            {},
            {"precision": "int8"},
            "onnx does not compute an export in fp32 in int8; name fp32, or make it",
        ),
        (
            "openvino",
            {},
            {"precision": "int8"},
            "in int8; name fp32 or bf16, or make it: tagwright export BUNDLE --to",
        ),
        ("openvino", {"precision": "int8"}, {"precision": "bf16"}, "an export in int8 in bf16; name int8"),
        ("onnx", {"precision": "int8"}, {"precision": "fp32"}, "name int8, or export it without --int8"),
        ("onnx", {}, {"device": "abacus"}, "there is no device 'abacus' here; name one of "),
        ("onnx", {}, {"device": "cuda:99"}, "there is no device 'cuda:99' here"),
        ("openvino", {}, {"device": "cuda"}, "there is no device 'cuda' here; name one of cpu"),
    ],
)
def test_what_does_not_suit_an_export_is_refused(request, tmp_path, kind, export, options, message):
    folder = copied(request.getfixturevalue(kind), tmp_path / "bundle", **export)
    with pytest.raises(InputError) as caught:
        load_runtime(folder, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_runtimes
def test_precision_device_and_runtime_are_said(onnx, openvino):
    runtime = load_runtime(onnx)
    assert (runtime.name, runtime.precision, runtime.device) == ("onnx", "fp32", "cpu")
    assert load_runtime(onnx, device="CPUExecutionProvider").device == "cpuexecutionprovider"
    runtime = load_runtime(openvino, precision="fp32")
    assert (runtime.name, runtime.precision, runtime.device) == ("openvino", "fp32", "cpu")
    assert load_runtime(openvino).precision in ("fp32", "bf16")
    assert load_runtime(onnx, runtime="openvino", precision="fp32").name == "openvino"


@needs_runtimes
def test_a_missing_library_is_named_with_its_extra(onnx, openvino, monkeypatch):
    for name, folder in (("onnx", onnx), ("openvino", openvino)):
        module = {"onnx": "onnxruntime"}.get(name, name)
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(sys.modules, f"tagwright.predict.runtimes.{name}", raising=False)
        with pytest.raises(
            MissingExtraError, match=rf"{module} is not installed; pip install 'tagwright\[{name}\]'"
        ):
            load_runtime(folder)


@needs_runtimes
@pytest.mark.parametrize(
    ("export", "size"), [({}, 0), ({"precision": "int8"}, 0), ({"precision": "int8", "group_size": 64}, 64)]
)
def test_openvino_runs_as_was_measured(openvino, tmp_path, export, size):
    runtime = load_runtime(copied(openvino, tmp_path / "bundle", **export))
    compiled = runtime._request.get_compiled_model()
    assert compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == size
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
    assert runtime.precision == export.get("precision", runtime.precision)


# A folder that is not whole


@needs_runtimes
@pytest.mark.parametrize(
    ("kind", "name"),
    [("onnx", "model.onnx"), ("openvino", "openvino_model.xml"), ("openvino", "openvino_model.bin")],
)
def test_a_copy_that_broke_off_is_named(request, tmp_path, kind, name):
    folder = copied(request.getfixturevalue(kind), tmp_path / "bundle")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-10])
    with pytest.raises(
        InputError, match=rf"{name}: the model's file has [\d,]+ bytes instead of {len(whole):,}; copy"
    ):
        Tagger.load(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing; copy the bundle again, whole"):
        Tagger.load(folder)


@needs_runtimes
@pytest.mark.parametrize(("kind", "name"), [("onnx", "model.onnx"), ("openvino", "openvino_model.xml")])
@pytest.mark.parametrize("kept", [0, 1500])
def test_a_damaged_model_is_one_line(request, tmp_path, capfd, kind, name, kept):
    folder = copied(request.getfixturevalue(kind), tmp_path / "bundle")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:kept] + b"x" * (len(whole) - kept))
    with pytest.raises(InputError, match=rf"{name}: the model cannot be loaded: ") as caught:
        Tagger.load(folder)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@needs_runtimes
def test_training_on_an_export_says_that_it_holds_no_weights(onnx):
    with pytest.raises(
        InputError, match="it was exported for onnx and holds no weights; name the bundle that it"
    ):
        load_model(onnx)


@needs_runtimes
def test_a_plain_folder_with_a_graph_is_opened(onnx, tmp_path):
    folder = copied(onnx, tmp_path / "bundle")
    (folder / "tagwright.json").unlink()
    assert read_meta(folder).notices
    assert Tagger.load(folder).runtime.name == "onnx"


@needs_runtimes
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_weights_in_a_file_of_their_own(bundle, onnx, graph, tmp_path, runtime):
    from onnx import load_model, save_model

    name, place = "model.onnx.data", tmp_path / "model.onnx"
    options = {"save_as_external_data": True, "location": name, "size_threshold": 1024}
    save_model(load_model(graph), place, **options)
    files = {"model.onnx": place, name: tmp_path / name}
    folder = exported(tmp_path / "bundle", bundle, files, runtime="onnx", precision="fp32")
    whole = Tagger.load(onnx, runtime=runtime, precision="fp32")
    assert Tagger.load(folder, runtime=runtime, precision="fp32").tag(TEXT.split()) == whole.tag(TEXT.split())
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(InputError, match=rf"{name}: the model's file has [\d,]+ bytes instead of"):
        Tagger.load(folder, runtime=runtime)


# Memory

SCARCE = """
import resource, sys
import numpy as np
import tagwright as tw
from tagwright.predict.runtimes import load_runtime

runtime = load_runtime(sys.argv[1], precision="fp32")
runtime.logits(*[np.ones((1, 64), dtype=np.int64)] * 2)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (200 << 20),) * 2)
try:
    runtime.logits(*[np.ones((60000, 64), dtype=np.int64)] * 2)
except MemoryError as error:
    print("MemoryError", str(error).count(chr(10)), runtime.logits(*[np.ones((4, 64), dtype=np.int64)] * 2).shape)
"""


@needs_runtimes
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_a_batch_that_does_not_fit_is_a_memory_error(request, kind):
    done = subprocess.run(
        [sys.executable, "-c", SCARCE, request.getfixturevalue(kind)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert (done.stdout, done.stderr) == ("MemoryError 0 (4, 64, 13)\n", "")


SHAPES = """
import sys
import numpy as np
from tagwright.predict.runtimes import load_runtime

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20

runtime = load_runtime(sys.argv[1], precision="fp32")
shapes = np.random.default_rng(0).permutation([(n, w) for n in range(1, 33) for w in range(2, 65)])[:2000]
for shape in shapes[:300]:
    runtime.logits(*[np.ones(shape, dtype=np.int64)] * 2)
before = held()
for shape in shapes[300:]:
    runtime.logits(*[np.ones(shape, dtype=np.int64)] * 2)
print(held() - before)
"""


@pytest.mark.long
@needs_runtimes
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_many_shapes_take_no_more_memory(request, kind):
    done = subprocess.run(
        [sys.executable, "-c", SHAPES, request.getfixturevalue(kind)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 100
