"""Every sentence is tagged once, by a tagger that saw neither it nor a copy of it."""

from __future__ import annotations

import os
import random
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from tagwright.config import Recipe
from tagwright.data.load import read_corpus
from tagwright.errors import InputError
from tagwright.train import folds as folds_module
from tagwright.train.folds import assign_folds, cross_probabilities
from tests.train.toy import FAST, Quiet, conll, sentences, write_corpus


@pytest.fixture(scope="module")
def recipe(encoder) -> Recipe:
    return Recipe.load(settings=FAST | {"train.epochs": 1, "model.encoder": str(encoder)})


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A train split of 20 sentences, two of them three times; a validation split."""
    folder = write_corpus(tmp_path_factory.mktemp("folds") / "toy", train=0, validation=4, test=0)
    own = sentences(16, 5)
    (folder / "train.conll").write_text(conll([*own, own[3], own[5], own[3], own[5]]))
    return folder


@pytest.fixture
def trainings(monkeypatch) -> list[tuple[set, int]]:
    """What each tagger was trained on: its sentences; and how many it had to choose its epoch by."""
    seen = []
    train = folds_module.train

    def watched(recipe, *, data, **more):
        seen.append((set(map(tuple, data["train"]["tokens"][:])), len(data["validation"])))
        assert set(data) == {"train", "validation"}
        return train(recipe, data=data, **more)

    monkeypatch.setattr(folds_module, "train", watched)
    return seen


def test_every_word_gets_probabilities_of_a_tagger_that_did_not_see_it(small, recipe, trainings):
    corpus = read_corpus(small)
    console = Quiet()
    [(split, (found, labels))] = cross_probabilities(corpus, recipe, folds=2, console=console).items()
    tokens = corpus.splits["train"]["tokens"][:]
    assert split == "train"
    assert labels == corpus.labels
    assert found.dtype == np.float32
    assert found.shape == (sum(map(len, tokens)), len(labels))
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    for sentence in map(tuple, tokens):
        assert sum(sentence in trained for trained, _ in trainings) == 1
    assert [validation for _, validation in trainings] == [4, 4]
    assert console.text.count("trained on 10 sentences, tagged 10 (F1 0.") == 2

    again, _ = cross_probabilities(corpus, recipe, folds=2, console=Quiet())["train"]
    assert again.tobytes() == found.tobytes()
    offsets = np.concatenate(([0], np.cumsum([len(words) for words in tokens]))).tolist()
    rows = [found[start:end] for start, end in pairwise(offsets)]
    assert np.allclose(rows[3], rows[16])  # a copy: the same words, the same tagger
    assert np.allclose(rows[3], rows[18])


def test_without_a_validation_split_some_of_the_other_folds_are_held_out(small, recipe, trainings, tmp_path):
    (tmp_path / "train.conll").write_text((small / "train.conll").read_text() + "Post\tB-product\n")
    corpus = read_corpus(tmp_path)
    found, labels = cross_probabilities(corpus, recipe, folds=2, console=Quiet())["train"]
    assert all(validation > 0 for _, validation in trainings)
    assert sum(("Post",) in trained for trained, _ in trainings) <= 1  # so one tagger never saw a product
    assert "B-product" in labels.names
    assert not np.isnan(found).any()


def test_words_that_were_cut_have_no_probabilities(small, recipe):
    short = recipe.model_copy(deep=True)
    short.encode.max_pieces = 8
    short.encode.on_overflow = "truncate"
    found, _ = cross_probabilities(read_corpus(small), short, folds=2, console=Quiet())["train"]
    cut = np.isnan(found).any(axis=1)
    assert cut.any()
    assert found[~cut].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_ctrl_c_leaves_nothing_behind(small, recipe, tmp_path, monkeypatch):
    class Interrupt(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            os.kill(os.getpid(), signal.SIGINT)

    train = folds_module.train
    monkeypatch.setattr(
        folds_module,
        "train",
        lambda *args, callbacks, **more: train(*args, callbacks=[*callbacks, Interrupt()], **more),
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt, match="interrupted in fold 1 of 2"):
        cross_probabilities(read_corpus(small), recipe, folds=2, console=Quiet())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "folds", "message"),
    [
        ({}, 1, "1 folds cannot be made"),
        ({}, 17, "16 different sentences cannot be dealt out to 17 folds; give --folds 16 or fewer"),
        ({"model.encoder": None}, 2, "no encoder was named"),
        ({"model.encoder": "no/such folder"}, 2, "fold 1 of 2: "),
    ],
)
def test_what_cannot_be_done_is_said(small, recipe, change, folds, message):
    values = FAST | {"train.epochs": 1, "model.encoder": recipe.model.encoder} | change
    with pytest.raises(InputError, match=message):
        cross_probabilities(read_corpus(small), Recipe.load(settings=values), folds=folds, console=Quiet())


def test_one_sentence_cannot_be_cut():
    with pytest.raises(
        InputError, match="1 different sentence cannot be dealt out to 2 folds; give more data"
    ):
        assign_folds([["a"], ["a"]], None, 2, 0)


WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)


@given(rows=st.lists(WORDS, min_size=2, max_size=30), folds=st.integers(2, 4), seed=st.integers(0, 3))
def test_copies_fall_into_one_fold_whatever_the_order(rows, folds, seed):
    if len(set(rows)) < folds:
        with pytest.raises(InputError, match="cannot be dealt out to"):
            assign_folds(rows, None, folds, seed)
        return
    dealt = assign_folds(rows, None, folds, seed).tolist()
    assert set(dealt) <= set(range(folds))
    home = dict(zip(rows, dealt, strict=True))
    assert dealt == [home[row] for row in rows]
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    shuffled = assign_folds([rows[place] for place in order], None, folds, seed).tolist()
    assert shuffled == [dealt[place] for place in order]


def test_folds_are_of_equal_size_and_the_seed_decides():
    rows = [(str(number),) for number in range(103)]
    dealt = assign_folds(rows, None, 5, 0)
    assert sorted(np.bincount(dealt).tolist()) == [20, 20, 21, 21, 21]
    assert dealt.tolist() != assign_folds(rows, None, 5, 1).tolist()


def test_documents_stay_together_and_so_do_documents_that_share_a_sentence():
    rows = [(str(number),) for number in range(12)]
    documents = [f"d{number // 2}" for number in range(12)]
    rows[5] = rows[0]  # the third document holds a sentence of the first
    dealt = assign_folds(rows, documents, 3, 0).tolist()
    assert all(dealt[place] == dealt[place + 1] for place in range(0, 12, 2))
    assert dealt[4] == dealt[0]


def test_a_sentence_in_every_document_does_not_tie_them_all():
    rows = [row for number in range(8) for row in ((str(number),), ("Advertisement",))]
    documents = [f"d{number // 2}" for number in range(16)]
    dealt = assign_folds(rows, documents, 4, 0)
    assert np.bincount(dealt).tolist() == [4, 4, 4, 4]
    assert all(dealt[place] == dealt[place + 1] for place in range(0, 16, 2))
