"""`tagwright.json`: older versions are read as before, and a change in place loses nothing."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tagwright.errors import InputError, RunError
from tagwright.model import swap
from tagwright.model.bundle import read_meta
from tagwright.model.meta import SCHEMA_VERSION, change_record
from tests.models import LABELS, tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

STORED = Path(__file__).parent / "stored"


@pytest.fixture
def bundle(tmp_path):
    return tiny_bundle(tmp_path / "run", made={"seed": 42})


def record(bundle):
    return json.loads((bundle / "tagwright.json").read_text())


def edit(bundle, **values):
    (bundle / "tagwright.json").write_text(json.dumps(record(bundle) | values))


def old_bundle(folder, version=1, **values):
    """Save a bundle of today under the record of an older one."""
    tiny_bundle(folder, max_pieces=512, positions=512)
    stored = json.loads((STORED / f"tagwright-{version}.json").read_text())
    files = {name: (folder / name).stat().st_size for name in stored["files"]}
    (folder / "tagwright.json").write_text(json.dumps(stored | {"files": files} | values))
    return folder


def test_version_1_is_read_as_before(tmp_path):
    meta = read_meta(old_bundle(tmp_path / "run"))
    assert (meta.temperature, meta.thresholds, meta.calibrated) == (1.0, {}, False)
    assert (meta.labels, meta.splitter, meta.overlap, meta.precision) == (LABELS, "english", 64, "bf16")
    assert meta.made["scores"]["test"]["lenient"]["support"] == 224
    assert meta.notices == []


def test_version_1_had_no_temperature_whatever_the_file_says(tmp_path):
    meta = read_meta(old_bundle(tmp_path / "run", temperature="warm", thresholds={"person": 0.5}))
    assert (meta.temperature, meta.thresholds) == (1.0, {})


def test_version_2_is_read_as_before(tmp_path):
    meta = read_meta(old_bundle(tmp_path / "run", 2))
    assert (meta.temperature, meta.thresholds) == (1.35, {"person": 0.5, "product": 0.7})
    assert (meta.calibrated_at, meta.export, meta.schema_version) == ("bf16", {}, SCHEMA_VERSION)
    assert meta.made["scores"]["test"]["lenient"]["support"] == 224


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_was_never_exported_whatever_the_file_says(tmp_path, version):
    assert read_meta(old_bundle(tmp_path / "run", version, export={"runtime": "onnx"})).export == {}


def test_a_change_brings_version_1_up_to_date(tmp_path):
    folder = old_bundle(tmp_path / "run")
    before = read_meta(folder)
    change_record(folder, before.model_copy(update={"temperature": 1.5}), was=before)
    after = read_meta(folder)
    assert record(folder)["schema_version"] == SCHEMA_VERSION
    assert after.temperature == 1.5
    assert after.made == before.made


def test_a_bundle_of_today_has_the_version_of_today(bundle):
    assert record(bundle)["schema_version"] == SCHEMA_VERSION == read_meta(bundle).schema_version


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0}, "tagwright.json: temperature: input should be greater"),
        ({"temperature": float("nan")}, "tagwright.json: temperature: "),
        ({"temperature": "warm"}, "tagwright.json: temperature: "),
        ({"thresholds": {"person": -0.5}}, "tagwright.json: thresholds.person: input should be greater"),
        ({"thresholds": {"person": 3}}, "tagwright.json: thresholds.person: input should be less"),
        ({"thresholds": {"nobody": 0.5}}, "tagwright.json: thresholds: there is no type 'nobody'"),
    ],
)
def test_a_calibration_that_cannot_be_is_named(bundle, values, message):
    edit(bundle, **values)
    with pytest.raises(InputError) as caught:
        read_meta(bundle)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("export", "message"),
    [
        ("onnx", "export: input should be a valid dictionary"),
        ({"runtime": "abacus", "precision": "fp32"}, "export.runtime is 'abacus', not onnx or openvino"),
        ({"precision": "fp32"}, "export.runtime is None, not onnx or openvino"),
        ({"runtime": ["onnx"], "precision": "fp32"}, "export.runtime is ['onnx'], not"),
        ({"runtime": "onnx", "precision": "fp8"}, "export.precision is 'fp8', not fp32 or int8"),
        (
            {"runtime": "openvino", "precision": "int8", "group_size": "128"},
            "export.group_size is '128', not a number from 1",
        ),
        (
            {"runtime": "openvino", "precision": "int8", "group_size": 2**63},
            "export.group_size is 9223372036854775808, not a number from 1 to 1048576",
        ),
    ],
)
def test_an_export_that_cannot_be_is_named(bundle, export, message):
    edit(bundle, export=export)
    with pytest.raises(InputError) as caught:
        read_meta(bundle)
    assert message in str(caught.value)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, float(SCHEMA_VERSION + 1), str(SCHEMA_VERSION + 1)])
def test_a_newer_version_is_refused_however_it_is_written(bundle, version):
    edit(bundle, schema_version=version)
    with pytest.raises(
        InputError, match=f"has schema_version {SCHEMA_VERSION + 1}, this Tagwright reads up to"
    ):
        read_meta(bundle)


def test_a_change_leaves_everything_else(bundle):
    edit(bundle, colour="red")
    (bundle / "report.html").write_text("mine")
    before = {file.name: file.read_bytes() for file in bundle.iterdir() if file.name != "tagwright.json"}
    meta = read_meta(bundle)
    changed = meta.model_copy(update={"temperature": 1.25, "thresholds": {"person": 0.5}})
    change_record(bundle, changed, was=meta)
    after = {file.name: file.read_bytes() for file in bundle.iterdir() if file.name != "tagwright.json"}
    assert after == before
    assert record(bundle)["colour"] == "red"
    assert (read_meta(bundle).temperature, read_meta(bundle).thresholds) == (1.25, {"person": 0.5})
    assert record(bundle)["files"] == meta.files


@pytest.mark.parametrize("step", range(12))
def test_a_change_that_dies_anywhere_leaves_the_old_record_or_the_new_one(bundle, monkeypatch, step):
    """The work stops before the file operation of that number; a reader finds one or the other."""
    meta = read_meta(bundle)
    seen = 0

    class Dead(BaseException):
        pass

    def dying(function):
        def call(*arguments, **options):
            nonlocal seen
            seen += 1
            if seen > step:
                raise Dead
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("replace", "fsync"):
            patched.setattr(os, name, dying(getattr(os, name)))
        patched.setattr(Path, "rmdir", dying(Path.rmdir))
        patched.setattr(swap.shutil, "rmtree", dying(shutil.rmtree))
        died = False
        try:
            change_record(bundle, meta.model_copy(update={"temperature": 2.0}), was=meta)
        except Dead:
            died = True
    found = read_meta(bundle).temperature
    assert found in (1.0, 2.0)
    assert died or found == 2.0
    change_record(bundle, (now := read_meta(bundle)).model_copy(update={"temperature": 3.0}), was=now)
    assert read_meta(bundle).temperature == 3.0


def test_a_bundle_that_was_trained_anew_meanwhile_is_not_changed(bundle):
    meta = read_meta(bundle)
    tiny_bundle(bundle, seed=1, made={"seed": 1})
    with pytest.raises(RunError, match="the bundle was written anew meanwhile; run it again"):
        change_record(bundle, meta.model_copy(update={"temperature": 2.0}), was=meta)
    assert (read_meta(bundle).temperature, read_meta(bundle).made) == (1.0, {"seed": 1})


def test_training_anew_loses_the_calibration(bundle):
    meta = read_meta(bundle)
    change_record(bundle, meta.model_copy(update={"temperature": 2.0}), was=meta)
    tiny_bundle(bundle, seed=1)
    assert not read_meta(bundle).calibrated


def test_a_record_that_cannot_be_written(bundle, monkeypatch):
    meta = read_meta(bundle)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(swap.os, "replace", refuse)
    with pytest.raises(RunError, match=r"tagwright\.json cannot be written: Read-only file system; copy the"):
        change_record(bundle, meta.model_copy(update={"temperature": 2.0}), was=meta)
    monkeypatch.undo()
    assert read_meta(bundle).temperature == 1.0


def test_a_plain_folder_becomes_a_bundle(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    build_tokenizer("distilbert").save_pretrained(tmp_path)
    meta = read_meta(tmp_path)
    assert meta.notices
    change_record(tmp_path, meta.model_copy(update={"temperature": 2.0}), was=meta)
    assert (read_meta(tmp_path).temperature, read_meta(tmp_path).notices) == (2.0, [])
    assert "notices" not in record(tmp_path)
