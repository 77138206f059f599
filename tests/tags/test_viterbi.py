"""Valid-tag decoding against trying every sequence."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from tagwright.tags import LabelMap, Scheme, best_valid_tags, offsets_of, viterbi

SCHEMES = [Scheme.IOB1, Scheme.IOB2, Scheme.BIOES, Scheme.BILOU, Scheme.IO, Scheme.WORD]


def log_probabilities(words: int, labels: LabelMap, seed: int) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(size=(words, len(labels))) * 2
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def brute_force(scores: NDArray[np.float32], labels: LabelMap) -> tuple[int, ...]:
    borders = np.array([0, len(scores)])
    best: tuple[float, tuple[int, ...]] = (-np.inf, ())
    for path in product(range(len(labels)), repeat=len(scores)):
        total = float(sum(scores[word, tag].astype(np.float64) for word, tag in enumerate(path)))
        if total > best[0] and not len(labels.invalid(np.array(path, dtype=np.int64), borders)):
            best = total, path
    return best[1]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_the_best_valid_sequence_is_found(scheme: Scheme, length: int) -> None:
    labels = LabelMap.from_types(["a", "b"] if length < 4 else ["a"], scheme)
    for seed in range(4):
        scores = log_probabilities(length, labels, seed)
        found = best_valid_tags(scores, offsets_of([length]), labels)
        assert tuple(found.tolist()) == brute_force(scores, labels)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_neighbours_and_their_order_do_not_matter(scheme: Scheme) -> None:
    labels = LabelMap.from_types(["a", "b", "c"], scheme)
    rng = np.random.default_rng(5)
    lengths = np.append(rng.integers(0, 30, size=400), 3000)
    offsets = offsets_of(lengths)
    scores = log_probabilities(int(offsets[-1]), labels, 6)
    together = best_valid_tags(scores, offsets, labels)
    assert not len(labels.invalid(together, offsets))

    order = rng.permutation(len(lengths))
    rows = np.concatenate([np.arange(offsets[place], offsets[place + 1]) for place in order])
    shuffled = best_valid_tags(scores[rows], offsets_of(lengths[order]), labels)
    assert np.array_equal(shuffled, together[rows])
    for place in order[:20]:
        part = slice(offsets[place], offsets[place + 1])
        alone = best_valid_tags(scores[part], offsets_of([int(lengths[place])]), labels)
        assert np.array_equal(alone, together[part])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("sharpness", [0.5, 3.0, 12.0])
def test_long_sentences_are_cut_where_it_changes_nothing(
    scheme: Scheme, sharpness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = LabelMap.from_types(["a", "b", "c"], scheme)
    rng = np.random.default_rng(7)
    offsets = offsets_of(rng.integers(1, 60, size=60))
    logits = rng.normal(size=(int(offsets[-1]), len(labels))) * sharpness
    logits[:, 0] += sharpness  # most words are O
    scores = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
    found = {}
    for least in (2, 10_000):
        monkeypatch.setattr(viterbi, "LONG", least)
        found[least] = best_valid_tags(scores, offsets, labels).tolist()
    assert found[2] == found[10_000]


def test_a_valid_argmax_is_kept() -> None:
    labels = LabelMap.from_types(["a"], Scheme.IOB2)
    scores = np.log(np.array([[0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], dtype=np.float32))
    assert best_valid_tags(scores, np.array([0, 3]), labels).tolist() == [1, 2, 0]


def test_equal_sums_take_the_lower_id() -> None:
    labels = LabelMap.from_types(["a", "b"], Scheme.IOB2)
    scores = np.full((2, 5), np.log(0.2), dtype=np.float32)
    assert best_valid_tags(scores, np.array([0, 2]), labels).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("probabilities", "best"),
    [
        ([[0, 0, 1], [0, 0, 1], [0, 0, 1]], [1, 2, 2]),
        ([[1, 0, 0], [0, 0, 1], [0, 0.1, 0.9]], [0, 1, 2]),
    ],
)
def test_probabilities_of_zero_never_make_an_invalid_sequence_the_best(
    probabilities: list[list[float]], best: list[int]
) -> None:
    labels = LabelMap.from_types(["a"], Scheme.IOB2)
    with np.errstate(divide="ignore"):
        scores = np.log(np.array(probabilities, dtype=np.float32))
    found = best_valid_tags(scores, np.array([0, 3]), labels)
    assert not len(labels.invalid(found, np.array([0, 3])))
    assert found.tolist() == best


def test_nothing_to_tag() -> None:
    labels = LabelMap.from_types(["a"], Scheme.BIOES)
    nothing = np.zeros((0, len(labels)), dtype=np.float32)
    assert best_valid_tags(nothing, np.array([0]), labels).tolist() == []
    assert best_valid_tags(nothing, np.array([0, 0, 0]), labels).tolist() == []


def test_labels_that_no_valid_sequence_fits_still_get_an_answer() -> None:
    labels = LabelMap(["B-a", "I-a"], Scheme.BIOES)
    scores = np.log(np.full((2, 2), 0.5, dtype=np.float32))
    assert len(best_valid_tags(scores, np.array([0, 2]), labels)) == 2
