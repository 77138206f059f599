"""What is known of WNUT 2017, counted by hand; on the real files."""

from __future__ import annotations

import json

import pytest

import tagwright
from tagwright.cli.main import run
from tagwright.inspect.coverage import Overlap
from tagwright.inspect.duplicates import DuplicateCounts

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def summary(wnut17):
    return tagwright.inspect_data(wnut17)


def test_sizes(summary):
    sizes = {name: (split.sentences, split.mentions) for name, split in summary.splits.items()}
    assert sizes == {"train": (3394, 1975), "validation": (1009, 836), "test": (1287, 1079)}


def test_duplicates(summary):
    assert summary.duplicates["train"] == DuplicateCounts(copies=103, groups=90, conflicting=11)
    assert summary.duplicates["validation"] == DuplicateCounts(copies=3, groups=2, conflicting=1)
    assert summary.duplicates["test"] == DuplicateCounts(copies=7, groups=5, conflicting=1)
    assert summary.duplicates_across == ()
    assert summary.near_duplicates == ()
    assert sum(group.conflicting for group in summary.duplicate_groups) == 13


def test_mentions_that_train_has(summary):
    assert summary.overlap["test"] == Overlap(
        mentions=1079,
        in_train_exact=0,
        in_train_casefold=20,
        form_in_train_exact=0,
        form_in_train_casefold=24,
    )
    assert summary.overlap["validation"] == Overlap(
        mentions=836, in_train_exact=0, in_train_casefold=26, form_in_train_exact=0, form_in_train_casefold=31
    )


def test_forms_words_and_borders(summary):
    assert len(summary.inconsistent_forms) == 195
    assert sum(sum(kind != "O" for kind in form.counts) > 1 for form in summary.inconsistent_forms) == 25
    assert sum("O" in form.counts for form in summary.inconsistent_forms) == 176
    assert sum(form.same_context > 0 for form in summary.inconsistent_forms) == 25
    assert [span.form for span in summary.unbalanced_spans] == ["Patchogue)", "NFL)"]
    assert {word.shown: word.count for word in summary.odd_words} == {
        "Dubbz[U+FEFF]": 1, "[U+FE0F]": 7, "watched[U+200B]was": 1,
    }  # fmt: skip
    assert (summary.invalid_tags, summary.missing_types, summary.rare_types) == ((), (), ())


def test_every_place_is_where_it_says(wnut17, summary):
    def word_at(where):
        file, _, line = where.rpartition(":")
        if file not in lines:
            with open(file, encoding="utf-8") as opened:
                lines[file] = opened.read().split("\n")
        return lines[file][int(line) - 1].split("\t")[0]

    lines: dict[str, list[str]] = {}
    for group in summary.duplicate_groups:
        assert {word_at(place["where"]) for place in group.places} == {group.text.split(" ")[0]}
    for form in summary.inconsistent_forms:
        for place in (*form.places, *form.usual_places):
            assert word_at(place["where"]) == form.form.split(" ")[0]
    for word in summary.odd_words:
        assert {word_at(place["where"]) for place in word.places} == {word.word}


def test_the_command(wnut17, capsys):
    assert run(["inspect", str(wnut17), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["duplicates"]["train"] == {"copies": 103, "groups": 90, "conflicting": 11}
    assert found["overlap"]["test"]["in_train_casefold"] == 20
