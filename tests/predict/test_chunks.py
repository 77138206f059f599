"""Where chunks end: at fixed places of each file, and early where texts are long."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.predict import chunks
from tagwright.predict.chunks import Border, sentence_chunks
from tagwright.predict.files import _chunks
from tagwright.predict.inputs import Inputs, Place
from tagwright.records import Sentence


def cut(numbers, lengths, size, sources=None):
    """The chunks of numbered things, as lists of (source, number)."""
    border, found, ended = Border(size), [], False
    for place, (number, length) in enumerate(zip(numbers, lengths, strict=True)):
        source = sources[place] if sources else ""
        if border.before(number, source) or ended:
            found.append([])
        found[-1].append((source, number))
        ended = border.behind(length)
    return found


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from([1, 300, 700, 2000])), max_size=60),
    st.integers(1, 7),
    st.integers(0, 8),
)
def test_behind_a_multiple_nothing_before_it_matters(steps, size, first):
    """Numbers may be missing, as those of blank lines are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_CHARACTERS", 1000)
        numbers, number = [], 0
        for step, _ in steps:
            number += step
            numbers.append(number)
        lengths = [length for _, length in steps]
        whole = cut(numbers, lengths, size)
        assert [number for chunk in whole for _, number in chunk] == numbers
        for chunk in whole:
            assert (chunk[0][1] - 1) // size == (chunk[-1][1] - 1) // size
        begin = first * size
        rest = [place for place, number in enumerate(numbers) if number > begin]
        part = cut([numbers[place] for place in rest], [lengths[place] for place in rest], size)
        assert part == [chunk for chunk in whole if chunk[0][1] > begin]


def test_each_file_is_cut_by_itself():
    numbers = [1, 2, 3, 4, 5, 1, 2, 1, 9]
    sources = ["a"] * 5 + ["b"] * 2 + ["b"] + ["c"]  # b twice, one behind the other
    found = cut(numbers, [1] * 9, 4, sources)
    assert [[number for _, number in chunk] for chunk in found] == [[1, 2, 3, 4], [5], [1, 2], [1], [9]]


def test_sentences_are_cut_as_lines_are(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TEXTS", 4)
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 100)
    lengths = [10, 100, 10, 10, 10, 10, 10, 10, 10]
    found = sentence_chunks(Sentence("", ["x" * length]) for length in lengths)
    assert [len(chunk) for chunk in found] == [2, 2, 4, 1]  # the multiple ends one all the same


CONLL = "".join("".join(f"w{word} O\n" for word in range(1 + row % 9)) + "\n" for row in range(23))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "conll", "parquet"])
def test_what_is_left_at_any_border_is_cut_as_in_the_whole(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 60)
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in paths:
        texts = ["x" * (row * 7 % 40) for row in range(23)]
        if kind == "parquet":
            pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
            pytest.importorskip("pyarrow.parquet").write_table(pa.table({"text": texts}), path)
        elif kind == "conll":
            path.write_text(CONLL)
        else:
            lines = [json.dumps({"text": text}) if kind == "jsonl" else text for text in texts]
            path.write_text("\n\n\n".join(lines))

    def from_place(place: Place) -> list[tuple[list[tuple[Path, int]], Place]]:
        inputs = Inputs(paths)
        inputs.place = place
        return [([(line.source, line.number) for line in group], end) for group, end in _chunks(inputs, 5)]

    whole = from_place(Place())
    assert len(whole) > 10
    for done, (_, place) in enumerate(whole, 1):
        assert from_place(place) == whole[done:]
    alone = [group for path in paths for group, _ in _chunks(Inputs([path]), 5)]
    assert [[line.number for line in group] for group in alone] == [
        [number for _, number in group] for group, _ in whole
    ]
