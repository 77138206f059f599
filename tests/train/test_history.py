"""The history of a run, and the report at its end."""

from __future__ import annotations

import json
import sys

import pytest

from tagwright.model.bundle import read_meta
from tagwright.train.history import POINTS, History
from tests.train.toy import Quiet, run, write_corpus


def filled(steps: int, *, broken_at: int | None = None, batches: int = 2) -> History:
    """A run of steps whose loss is their number, resumed from its state after one of them."""
    history = History()
    for step in range(1, steps + 1):
        for _ in range(batches):
            history.add(step, step / batches, total=steps)
        if step % 10 == 0:
            history.evaluated(step, epoch=step / 10, learning_rate=0.1, precision=0.5, recall=0.5, f1=0.5)
        if step == broken_at:
            state = json.loads(json.dumps(history.state()))
            history = History()
            history.restore(state)
    return history


def test_losses_are_means_over_the_steps_since():
    record = filled(20).record()
    assert [(one["step"], one["loss"]) for one in record["history"]] == [(10, 5.5), (20, 15.5)]
    assert [one["step"] for one in record["losses"]] == list(range(1, 21))
    assert [one["loss"] for one in record["losses"]] == list(range(1, 21))


@pytest.mark.parametrize("steps", [1, 99, 100, 101, 250, 1009])
def test_a_long_run_is_thinned_out(steps):
    losses = filled(steps, batches=1).record()["losses"]
    assert 1 <= len(losses) <= POINTS
    assert losses[-1]["step"] == steps


@pytest.mark.parametrize("broken_at", [1, 9, 10, 11, 150, 199])
def test_a_resumed_run_tells_the_same(broken_at):
    assert filled(250, broken_at=broken_at).record() == filled(250).record()


def test_an_evaluation_without_training_has_no_loss():
    history = History()
    history.evaluated(0, epoch=None, learning_rate=0.0, f1=0.0)
    assert history.record()["history"][0]["loss"] is None


# The report


def test_training_ends_with_a_report_of_the_recorded_scores(corpus, encoder, tmp_path):
    console = Quiet()
    result = run(corpus, encoder, tmp_path / "run", report=True, console=console)
    page = (result.path / "report.html").read_text(encoding="utf-8")
    for value in read_meta(result.path).made["scores"]["test"]["lenient"]["per_type"].values():
        assert f"<strong>{value['f1']:.4f}</strong>" in page
    assert "test split" in page
    assert "Training loss" in page
    assert result.notices[-1] == f"the report is in {result.path / 'report.html'}"


def test_without_a_test_split_the_report_is_on_validation(encoder, tmp_path):
    data = write_corpus(tmp_path / "data", validation=0, test=0)
    result = run(data, encoder, tmp_path / "run", report=True, train__epochs=1)
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert "validation split" in page
    assert "scores on validation, which chose the weights" in page


def test_a_missing_extra_is_a_notice(corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = run(corpus, encoder, tmp_path / "run", report=True, train__epochs=1)
    assert result.notices[-1] == (
        "no report was written: jinja2 is not installed; pip install 'tagwright[report]'"
    )
    assert {path.name for path in result.path.iterdir()} >= {"config.json", "tagwright.json"}
    assert not (result.path / "report.html").exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("of all\nthings"), "ZeroDivisionError: of all things"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_report_that_fails_does_not_fail_the_run(corpus, encoder, tmp_path, monkeypatch, error, reason):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("tagwright.report.write.render_as", fail)
    result = run(corpus, encoder, tmp_path / "run", report=True, train__epochs=1)
    assert result.notices[-1] == f"no report was written: {reason}"
    assert read_meta(result.path).made["steps"] == 6
