"""Surface forms: how they are cased, and which of them training has seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.data.load import read_corpus
from tagwright.score.forms import CASINGS, SEEN, Forms, KnownForms, casing
from tagwright.tags.spans import Spans
from tests.train.toy import write_corpus


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("@paulwalk", "lower"),
        ("the internet", "lower"),
        ("straße", "lower"),
        ("ESB", "UPPER"),
        ("U.S.", "UPPER"),
        ("NEW YORK", "UPPER"),
        ("A 1", "Title"),
        ("Jeff Bezos", "Title"),
        ("University of Bath", "Title"),
        ("@Amazon", "Title"),
        ("O 's", "Title"),
        ("Ελλάδα", "Title"),
        ("iPhone", "mixed"),
        ("the Internet", "mixed"),
        ("USA Today", "mixed"),
        ("McDonald", "mixed"),
        ("2016", "no cased letters"),
        ("—", "no cased letters"),
        ("東京", "no cased letters"),
        ("", "no cased letters"),
    ],
)
def test_casing(form: str, name: str) -> None:
    assert casing(form) == name


@given(st.text())
def test_every_form_has_one_casing(form: str) -> None:
    assert casing(form) in CASINGS


def test_forms_are_numbered_once() -> None:
    words = ["New", "York", "met", "New", "York", "York"]
    gold = Spans(*(np.array(row) for row in ([0, 3, 5], [2, 5, 6], [0, 0, 0])))
    predicted = Spans(*(np.array(row) for row in ([1, 5], [2, 6], [0, 0])))
    forms = Forms.of(words, gold, predicted)
    assert forms.names == ["New York", "York"]
    assert (forms.gold.tolist(), forms.predicted.tolist()) == ([0, 0, 1], [1, 1])


def test_forms_of_train(tmp_path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.conll").write_text("New\tB-location\nYork\tI-location\nis\tO\nBIG\tB-group\n\n")
    (folder / "test.conll").write_text("Rome\tB-location\n\n")
    known = KnownForms.of(read_corpus(folder))
    assert known is not None
    assert known.exact == {"New York", "BIG"}
    found = [known.look_up(form) for form in ("New York", "Big", "York", "is")]
    assert found == ["as written", "in another case", "unseen", "unseen"]
    assert {*found} == {*SEEN}


def test_without_a_train_split_nothing_is_known(tmp_path) -> None:
    folder = write_corpus(tmp_path / "data", train=0, validation=0)
    assert KnownForms.of(read_corpus(folder)) is None
    assert KnownForms.of(None) is None
