"""A bundle on a machine that does not have its folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tagwright.errors import InputError, RunError
from tagwright.predict.origin import fingerprint
from tagwright.scale.shipping import Shipment, local_bundle, pack


@pytest.fixture
def bundle(tmp_path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "checkpoints" / "big.bin").write_bytes(b"left out")
    return folder


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def shipped(bundle: Path, fetched: list[bytes] | None = None) -> Shipment:
    def fetch(kept: str) -> bytes:
        data = bytes.fromhex(kept)
        if fetched is not None:
            fetched.append(data)
        return data

    return pack(bundle, bytes.hex, fetch)


def test_the_folder_itself_is_taken_where_it_is_the_same(bundle, temporary):
    fetched: list[bytes] = []

    assert local_bundle(bundle, fingerprint(bundle), shipped(bundle, fetched)) == bundle
    assert fetched == []


def test_files_are_unpacked_once_where_the_folder_is_missing(bundle, temporary):
    fetched: list[bytes] = []
    shipment, made = shipped(bundle, fetched), fingerprint(bundle)
    bundle.rename(bundle.with_name("away"))

    folder = local_bundle(bundle, made, shipment)
    again = local_bundle(bundle, made, shipment)

    assert folder == again
    assert temporary in folder.parents
    assert folder.name == bundle.name
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert fetched == [b"{}", b"weights"]


def test_another_bundle_at_the_same_place_is_not_taken(bundle, temporary):
    shipment, made = shipped(bundle), fingerprint(bundle)
    (bundle / "model.safetensors").write_bytes(b"other..")

    folder = local_bundle(bundle, made, shipment)

    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_without_a_shipment_a_bundle_that_changed_or_went_is_refused(bundle):
    made = fingerprint(bundle)
    (bundle / "config.json").write_text(json.dumps({"a": 1}), encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json of the bundle is not the one"):
        local_bundle(bundle, made, None)
    bundle.rename(bundle.with_name("away"))
    with pytest.raises(InputError, match="the bundle is not there any more; bring it back"):
        local_bundle(bundle, made, None)


def test_what_was_unpacked_and_damaged_since_is_unpacked_anew(bundle, temporary):
    shipment, made = shipped(bundle), fingerprint(bundle)
    bundle.rename(bundle.with_name("away"))
    folder = local_bundle(bundle, made, shipment)
    (folder / "model.safetensors").write_bytes(b"")

    assert (local_bundle(bundle, made, shipment) / "model.safetensors").read_bytes() == b"weights"


def test_a_bundle_that_changed_while_it_was_packed_is_refused(bundle, temporary):
    made = fingerprint(bundle)
    (bundle / "config.json").write_text('{"a": 1}', encoding="utf-8")

    with pytest.raises(RunError, match="changed while it was read; give the call again"):
        local_bundle(bundle, made, shipped(bundle))
