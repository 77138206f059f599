"""An export appears whole, proven, and only where it may."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import tagwright as tw
from tagwright.errors import InputError, RunError
from tagwright.export import graph, prove, write
from tagwright.export.staging import disk_error, publish, staged
from tagwright.model.bundle import read_meta
from tagwright.model.meta import change_record
from tests.export.conftest import need
from tests.train import toy

TEXTS = ["Jeff Bezos lives in the Empire State Building , New York", "@paulwalk", "", "bad storm here " * 40]


def answers(folder: Path, **options):
    return tw.Tagger.load(folder, **options).predict(TEXTS)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_an_export_answers_as_its_bundle(trained, made, target):
    out = Path(made(target).out)
    assert not list(out.glob("*.safetensors"))
    expected = answers(trained, runtime="torch", precision="fp32")
    found = answers(out, precision="fp32")
    assert [prediction.tags for prediction in found] == [prediction.tags for prediction in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_the_record_holds_the_proof(trained, made):
    result = made("onnx")
    before, meta = read_meta(trained), read_meta(result.out)
    assert meta.export["runtime"] == "onnx"
    assert meta.export["precision"] == "fp32"
    assert meta.export["parity"] == result.parity
    assert meta.made == before.made
    assert {"torch", "transformers", "onnx", "onnxscript", "onnxruntime"} <= set(meta.export["versions"])
    proof = result.parity
    assert (proof["sentences"], proof["split"], proof["sha256"]) == (
        16,
        "validation",
        before.made["data"]["sha256"],
    )
    assert proof["made_up_rows"] == {"one word": 16, "full window": 2, "longer than a window": 3}
    [row] = proof["export"]
    assert row["equal_tags"] == row["equal_entities"] == 1
    assert 0 < row["largest_difference"] < 1e-4
    assert row["f1"] == proof["reference"]["f1"] > 0.5
    assert row["bytes"] > 0 < proof["reference"]["bytes"]


def test_the_graph_says_nothing_of_the_machine(made):
    blob = (Path(made("onnx").out) / "model.onnx").read_bytes()
    assert b"File " not in blob
    assert str(Path.cwd()).encode() not in blob
    assert b"windows" in blob


@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.long)])
def test_int8_agrees_as_named(made, target):
    result = made(target, int8=True)
    [row] = result.parity["export"]
    assert (row["precision"], row["named_share"]) == ("int8", 0.99)
    assert 0.99 <= row["equal_tags"] <= 1
    assert read_meta(result.out).export.get("group_size") == (128 if target == "openvino" else None)
    assert tw.Tagger.load(result.out).runtime.precision == "int8"


@pytest.mark.long
@pytest.mark.usefixtures("traced")
def test_static_int8_says_what_it_was_calibrated_on(trained, tmp_path):
    need("openvino", "nncf")
    write.export(trained, "openvino", tmp_path / "out", int8=True, static=True, max_drop=1)
    record = read_meta(tmp_path / "out").export
    assert (record["quantization"], record["calibration_sentences"]) == ("static", 16)


def test_a_graph_that_ignores_the_mask_is_refused(trained, tmp_path, monkeypatch):
    """What tracing with a mask of ones gave: right on every batch without padding, wrong on the others."""

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=torch.ones_like(attention_mask)).logits

    monkeypatch.setattr(graph._Logits, "forward", forward)
    with pytest.raises(RunError) as refused:
        write.export(trained, "onnx", tmp_path / "out")
    assert refused.value.exit_code == 1
    assert "tags differ in fp32 by more than rounding explains" in str(refused.value)
    assert "worst: " in str(refused.value)
    assert " instead of " in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("traced")
def test_int8_that_is_damaged_is_refused_by_its_worst_sentence(
    trained, made, toy_data, tmp_path, monkeypatch
):
    onnx = pytest.importorskip("onnx")
    from tagwright.export import onnx as ours

    out = tmp_path / "out"
    first = made("onnx")
    out.mkdir()
    for file in Path(first.out).iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    before = tree(out)
    quantize = ours.quantize_weights

    def damage(source, file):
        quantize(source, file)
        model = onnx.load(str(file))
        for weight in model.graph.initializer:
            if weight.name.endswith("_quantized"):
                values = bytearray(weight.raw_data)
                values[::2] = bytes(len(values[::2]))
                weight.raw_data = bytes(values)
        onnx.save(model, str(file))

    monkeypatch.setattr(ours, "quantize_weights", damage)
    with pytest.raises(RunError) as refused:
        write.export(trained, "onnx", out, int8=True, overwrite=True)
    assert str(toy_data) in str(refused.value) or "made up: " in str(refused.value)
    assert "int8 costs" in str(refused.value) or "int8 gives" in str(refused.value)
    assert " instead of " in str(refused.value)
    assert tree(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("traced")
def test_an_export_is_replaced_only_when_asked(trained, made, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    for file in Path(made("onnx").out).iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="there is something in it already; give --overwrite"):
        write.export(trained, "onnx", out)
    (out / ".export.part").mkdir()
    (out / ".export.part" / "model.onnx").write_text("half of a graph that a killed call left")
    write.export(trained, "onnx", out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / ".export.part").exists()
    assert tw.Tagger.load(out).tag(["Jeff"])


def test_what_is_no_export_is_never_replaced(trained, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something that is no export"):
        write.export(trained, "onnx", tmp_path / "mine", overwrite=True)


def test_a_link_to_nothing_is_no_place(trained, tmp_path):
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a link to nothing"):
        write.export(trained, "onnx", link, overwrite=True)


@pytest.mark.parametrize("place", [".", "exported", "..", "config.json"])
def test_the_bundle_itself_is_no_place(trained, place):
    before = tree(trained)
    with pytest.raises(InputError):
        write.export(trained, "onnx", trained / place, overwrite=True)
    assert tree(trained) == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"target": "tflite"}, "there is no export to 'tflite'; name one of onnx, openvino"),
        ({"static": True}, "--static is a way to int8; give --int8 with it"),
        ({"static": True, "int8": True}, "there is no static int8 for onnx"),
        ({"max_drop": 1.5}, "a drop of F1 of 1.5 cannot be allowed"),
        ({"max_drop": float("nan")}, "a drop of F1 of nan cannot be allowed"),
        ({"data": "/no/such/place"}, "/no/such/place"),
    ],
)
def test_wrong_calls(trained, tmp_path, call, message):
    with pytest.raises(InputError) as refused:
        write.export(trained, **{"target": "onnx", "out": tmp_path / "out", **call})
    assert message in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_not_exported_again(made, tmp_path):
    with pytest.raises(
        InputError, match="exported for onnx already; export the bundle that it was made from"
    ):
        write.export(made("onnx").out, "openvino", tmp_path / "out")


@pytest.mark.usefixtures("traced")
def test_data_that_has_changed_gives_way_to_the_sample(tmp_path, trained):
    folder = tmp_path / "bundle"
    folder.mkdir()
    for file in trained.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    data = toy.write_corpus(tmp_path / "other", validation=9)
    meta = read_meta(folder)
    made = meta.made | {"data": meta.made["data"] | {"source": str(data)}}
    change_record(folder, meta.model_copy(update={"made": made, "temperature": 2.0}), was=meta)
    result = write.export(folder, "onnx", tmp_path / "out")
    assert result.parity["data"] == "sample"
    assert any(
        "is not what the tagger was trained on" in line and "tried on the sample" in line
        for line in result.notices
    )
    assert read_meta(tmp_path / "out").temperature == 2


@pytest.mark.usefixtures("traced")
def test_ctrl_c_leaves_nothing(trained, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prove, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        write.export(trained, "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_folders_made_for_nothing_go_again(tmp_path):
    out = tmp_path / "deep" / "down" / "out"
    with suppress(RunError), staged(out):
        raise RunError("refused")
    assert list(tmp_path.iterdir()) == []
    with staged(out) as part:
        publish(part, out)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_two_at_a_time(trained, tmp_path):
    with staged(tmp_path / "out"), pytest.raises(RunError, match="another process is exporting to it"):
        write.export(trained, "onnx", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to mount a small tmpfs")
@pytest.mark.parametrize(("target", "size"), [("onnx", 60), ("openvino", 200)])
@pytest.mark.usefixtures("traced")
def test_a_full_disk(trained, tmp_path, target, size):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    try:
        with pytest.raises(RunError, match="the disk is full; make room and run it again"):
            write.export(trained, target, disk / "out")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_limit_on_the_size_of_files_is_named():
    error = disk_error(OSError(errno.EFBIG, os.strerror(errno.EFBIG)), Path("out"))
    assert "File too large; lift the limit on the size of files" in str(error)


def test_the_public_name(trained, made):
    assert tw.export.__name__ == "tagwright.export"
    assert callable(tw.export)
    assert json.loads(json.dumps(made("onnx").to_dict()))["runtime"] == "onnx"
