"""Each row of the table of architectures in docs/export.md."""

from __future__ import annotations

import pytest

from tagwright.export import parity, write
from tagwright.model.bundle import BundleMeta, save_bundle
from tests.export.architectures import KINDS, model_of
from tests.export.conftest import need
from tests.models import LABELS
from tests.tiny_tokenizers import build_tokenizer


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_exports_agree(kind, toy_data, tmp_path, monkeypatch):
    # The labels of random weights hang by a hair: shares of equal tags are let be, sums that are off are not.
    monkeypatch.setattr(parity, "NAMED_SHARES", {"fp32": 1.0, "bf16": 0.8, "int8": 0.6})
    meta = BundleMeta(labels=list(LABELS), scheme="iob2", max_pieces=64, overlap=16)
    tokenizer = build_tokenizer(KINDS[kind], model_max_length=64)
    save_bundle(tmp_path / "bundle", model_of(kind), tokenizer, meta)
    for number, (target, options) in enumerate(
        [
            ("onnx", {}),
            ("onnx", {"int8": True}),
            ("openvino", {}),
            ("openvino", {"int8": True}),
            ("openvino", {"int8": True, "static": True}),
        ]
    ):
        if target == "openvino":
            need("openvino", "nncf")
        out = tmp_path / f"out{number}"
        found = write.export(tmp_path / "bundle", target, out, data=toy_data, max_drop=1, **options)
        row = found.parity["export"][0]
        if not options:
            assert row["differing_words"] == row["near_ties"]
            assert row["largest_difference"] < 1e-3
