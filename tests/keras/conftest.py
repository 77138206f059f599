"""What the tests of the Keras room share; they are skipped where the extra is not installed."""

from __future__ import annotations

import pytest

from tests.keras.reference import tensors_of, torch_model


@pytest.fixture
def pair():
    """Build a PyTorch model and the same in Keras."""
    pytest.importorskip("keras", reason="the extra keras is not installed")
    from tagwright.keras import TokenClassifier

    def build(kind="distilbert", *, dtype=None, seed=0, **changes):
        theirs = torch_model(kind, seed=seed, **changes)
        config = theirs.config.to_dict()
        labels = list(theirs.config.id2label.values())
        ours = TokenClassifier.from_tensors(config, tensors_of(theirs), labels=labels, dtype=dtype)
        return theirs, ours

    return build


@pytest.fixture
def saved(tmp_path):
    """Save a PyTorch model, or its encoder alone, and return both."""

    def save(kind="distilbert", *, head=True, name="model", **options):
        model = torch_model(kind)
        (model if head else model.base_model).save_pretrained(tmp_path / name, **options)
        return model, tmp_path / name

    return save
