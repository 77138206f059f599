"""The page about transformers' pipeline: its blocks run, on toys built here, and print what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

import tagwright as tw
from tagwright.encode.align import with_prefix_space
from tests.lexicon import lexicon_bundle
from tests.models import TEXT, tiny_bundle, tiny_tokenizer
from tests.pages import read_page, run, steps_of

PAGE = read_page("pipeline.md")

LABELS = ["O", "B-person", "I-person", "B-location", "I-location"]
LEXICON = {
    "jeff": "B-person",
    "be": "I-person",
    "##zos": "O",
    "@": "B-person",
    "paul": "O",
    "##walk": "O",
    "new": "B-location",
    "york": "I-location",
    "city": "I-location",
    "hall": "I-location",
    "los": "B-location",
    "angeles": {"I-person": 1.0, "I-location": 0.9},
    **dict.fromkeys(("far", "from", "in", "is", "lives", "met"), "O"),
}
BIOES = ["O", *(f"{role}-{kind}" for kind in ("person", "location") for role in "BIES")]
BIOES_LEXICON = {
    "jeff": "S-person",
    "new": "B-location",
    "york": "E-location",
    "paris": "S-location",
    "berlin": "S-location",
    **dict.fromkeys(("far", "from", "in", "is", "lives"), "O"),
}


@pytest.fixture
def toys(tmp_path) -> dict[str, str]:
    iob2 = lexicon_bundle(tmp_path / "run", LEXICON, LABELS, positions=16)
    bioes = lexicon_bundle(
        tmp_path / "bioes", BIOES_LEXICON, BIOES, positions=16, scheme="bioes", temperature=2.0
    )
    return {"run": str(iob2), "bioes": str(bioes)}


def test_the_page_prints_what_it_shows(toys):
    first, *steps = steps_of(PAGE)

    assert first.code == 'run, bioes = "run", "run-bioes"\n'
    run(steps, toys)


def test_a_toy_is_a_lexicon(toys):
    """A piece's tag does not depend on its neighbours, so that the page's differences are those of the decoding."""
    tagger = tw.Tagger.load(toys["run"], precision="fp32")
    words = ["jeff", "be", "new", "york", "city", "from", "paul"]

    together = tagger.tag(words)
    for word, tag in zip(words, together, strict=True):
        [probabilities] = tagger.probabilities([word])
        assert max(probabilities, key=probabilities.__getitem__) == tag == LEXICON[word]


@pytest.mark.parametrize("kind", ["distilbert", "bert", "roberta", "unigram"])
def test_the_pipeline_has_the_probabilities_of_first_pieces(tmp_path, kind):
    bundle = tiny_bundle(tmp_path / "run", kind)
    with_prefix_space(tiny_tokenizer(kind)).save_pretrained(bundle)  # as training does
    tagger = tw.Tagger.load(bundle, precision="fp32")
    pipe = transformers.pipeline("token-classification", model=str(bundle), ignore_labels=[])

    words = TEXT.split()[:12]
    [rows] = pipe(words, is_split_into_words=True)
    starts = [sum(map(len, words[:place])) + place for place in range(len(words))]
    by_start: dict[int, dict] = {}
    for row in rows:
        by_start.setdefault(row["start"], row)
    for start, probabilities in zip(starts, tagger.probabilities(words), strict=True):
        best = max(probabilities, key=probabilities.__getitem__)
        assert by_start[start]["entity"] == best
        assert by_start[start]["score"] == pytest.approx(probabilities[best], abs=1e-5)


def test_the_pipeline_refuses_a_bundle_without_weights(toys, tmp_path):
    Path(toys["run"], "model.safetensors").unlink()
    with pytest.raises((OSError, ValueError, RuntimeError)):
        transformers.pipeline("token-classification", model=toys["run"])


@pytest.mark.parametrize("kind", ["roberta", "unigram"])
def test_the_pipeline_guesses_words_where_pieces_do_not_say_that_they_continue_one(tmp_path, kind):
    bundle = tiny_bundle(tmp_path / "run", kind)
    pipe = transformers.pipeline(
        "token-classification", model=str(bundle), aggregation_strategy="first", ignore_labels=[]
    )
    with pytest.warns(UserWarning, match="does not support real words"):
        found = pipe("storm(Berlin,Paris) here")
    borders = {border for entity in found for border in (entity["start"], entity["end"])}
    assert not borders & set(range(1, len("storm(Berlin,Paris)")))
