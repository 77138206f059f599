"""What an export is tried on, and what is said where that tells little."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tagwright.errors import RunError
from tagwright.export import parity, trials, write
from tagwright.model.bundle import read_meta


@pytest.mark.usefixtures("traced")
def test_a_refusal_of_int8_names_what_would_do(trained, tmp_path, monkeypatch):
    score = parity.Reference.score
    drops = iter([0.5, 0.4923])
    monkeypatch.setattr(parity.Reference, "score", lambda self, ids: score(self, ids) and next(drops))
    with pytest.raises(RunError, match="int8 costs") as refused:
        write.export(trained, "onnx", tmp_path / "out", int8=True)
    assert str(refused.value).endswith(
        "nothing was written; export it with --to openvino --int8 or without --int8,"
        " or allow it with --max-drop 0.0077"
    )


@pytest.mark.usefixtures("traced")
def test_a_bundle_that_is_damaged_is_not_blamed_on_the_export(trained, tmp_path, monkeypatch):
    ask = parity.Reference.ask

    def damaged(self, tagger):
        answers = ask(self, tagger)
        return dataclasses.replace(answers, logits=answers.logits * np.nan)

    monkeypatch.setattr(parity.Reference, "ask", damaged)
    with pytest.raises(RunError, match="the bundle's own logits are not finite in PyTorch; its weights are"):
        write.export(trained, "onnx", tmp_path / "out")


@pytest.mark.usefixtures("traced")
def test_int8_without_an_f1_says_so(trained, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "dev"):
        (data / f"{split}.conll").write_text("bad\tADJ\nstorm\tNOUN\nhere\tADV\n\n")
    result = write.export(trained, "onnx", tmp_path / "out", int8=True, data=data)
    assert any("what int8 costs in F1 is not known" in notice for notice in result.notices)


def test_a_hub_out_of_reach_gives_way_to_the_sample(trained):
    meta = read_meta(trained)
    gone = meta.model_copy(update={"made": {"data": {"source": "hub:nobody/nothing"}}})
    corpus, [notice] = trials.trial_data(gone)
    assert corpus.source == "sample"
    assert "hub:nobody/nothing: " in notice
    assert "tried on the sample" in notice
