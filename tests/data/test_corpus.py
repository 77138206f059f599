from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.errors import InputError
from tagwright.tags import Scheme


def write(folder: Path, **splits: str) -> Path:
    """Write splits given as `tag tag | tag` (words are w0, w1, …; a bar ends a sentence)."""
    folder.mkdir(exist_ok=True)
    for name, tags in splits.items():
        sentences = [
            "".join(f"w{number}\t{tag}\n" for number, tag in enumerate(sentence.split()))
            for sentence in tags.split("|")
        ]
        (folder / f"{name}.conll").write_text("\n".join(sentences))
    return folder


def tags_of(corpus: Corpus, split: str = "train") -> list[str]:
    return [corpus.labels.names[tag] for tags in corpus.splits[split]["ner_tags"] for tag in tags]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-x I-x O B-x", Scheme.IOB2),
        ("I-x I-x O I-x B-x", Scheme.IOB1),
        ("B-x E-x O S-x", Scheme.BIOES),
        ("B-x L-x O U-x", Scheme.BILOU),
        ("I-x I-x O", Scheme.IO),
        ("x x O y", Scheme.IO),
        ("NOUN VERB NOUN", Scheme.WORD),
        ("O O O", Scheme.IOB2),
    ],
)
def test_schemes_are_recognised(tmp_path: Path, tags: str, scheme: Scheme) -> None:
    corpus = read_corpus(write(tmp_path, train=tags))
    assert corpus.labels.scheme is scheme
    assert tags_of(corpus) == tags.split()
    assert not corpus.invalid


@pytest.mark.parametrize(
    "source", ["B-x I-x O B-x B-y", "I-x I-x O I-x I-y", "B-x E-x O S-x S-y", "B-x L-x O U-x U-y"]
)
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("iob2", "B-x I-x O B-x B-y"),
        ("bioes", "B-x E-x O S-x S-y"),
        ("bilou", "B-x L-x O U-x U-y"),
        ("io", "I-x I-x O I-x I-y"),
    ],
)
def test_schemes_are_converted(tmp_path: Path, source: str, target: str, expected: str) -> None:
    settings = DataSettings(tag_scheme=target, scheme="iob1" if source.startswith("I") else None)
    corpus = read_corpus(write(tmp_path, train=source), settings=settings)
    assert tags_of(corpus) == expected.split()
    assert corpus.labels.scheme is Scheme(target)


def test_borders_lost_in_a_conversion_are_counted(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path, train="B-x B-x O | B-x"), settings=DataSettings(tag_scheme="io"))
    assert "1 border between touching spans of one type lost: io has none" in corpus.notices


def test_words_with_labels_of_their_own_are_not_converted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be converted to iob2"):
        read_corpus(write(tmp_path, train="NOUN VERB"), settings=DataSettings(tag_scheme="iob2"))


def test_invalid_tags_are_shown_with_their_place_and_repaired_only_when_asked(tmp_path: Path) -> None:
    folder = write(tmp_path, train="O B-x O I-x | I-y", dev="B-x B-x I-y")
    corpus = read_corpus(folder, settings=DataSettings(scheme="iob2"))
    assert [(tag.where, tag.split, tag.tag, tag.context) for tag in corpus.invalid] == [
        (f"{folder}/train.conll:4", "train", "I-x", "w1/B-x w2/O [w3/I-x]"),
        (f"{folder}/train.conll:6", "train", "I-y", "[w0/I-y]"),
        (f"{folder}/dev.conll:3", "validation", "I-y", "w0/B-x w1/B-x [w2/I-y]"),
    ]
    assert tags_of(corpus) == ["O", "B-x", "O", "I-x", "I-y"]
    (told,) = (notice for notice in corpus.notices if "break the scheme iob2" in notice)
    assert told.startswith("3 tags break the scheme iob2 (train 2, validation 1), kept as they are")
    assert f"{folder}/train.conll:4: I-x in" in told
    repaired = read_corpus(folder, settings=DataSettings(scheme="iob2", repair=True))
    assert tags_of(repaired) == ["O", "B-x", "O", "B-x", "B-y"]
    assert tags_of(repaired, "validation") == ["B-x", "B-x", "B-y"]
    assert repaired.invalid == corpus.invalid
    assert repaired.sha256 == corpus.sha256


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        (
            "B-x O | per",
            None,
            "train.conll:4: the tag 'per' has no prefix, while others such as 'B-x' have one",
        ),
        (
            "x x O | B-x",
            None,
            "train.conll:5: the tag 'B-x' has a prefix, while others such as 'x' have none",
        ),
        ("B-x O | E-x", "iob2", "train.conll:4: the tag 'E-x' does not belong to the scheme iob2"),
        ("B-x L-x S-x", None, "train.conll:3: the tag 'S-x' does not belong to the scheme bilou"),
        ("O B-x B- O", None, "train.conll:3: the tag 'B-' has no prefix"),
        ("B-x I-x", "io", "train.conll:1: the tag 'B-x' does not belong to the scheme io"),
    ],
)
def test_a_tag_outside_the_scheme_names_its_place(
    tmp_path: Path, tags: str, scheme: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_corpus(write(tmp_path, train=tags), settings=DataSettings(scheme=scheme))
    assert message in str(caught.value)


def test_running_text_is_not_taken_for_tags(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text(
        "\n".join(f"This line number ends in word{number}" for number in range(99))
    )
    with pytest.raises(
        InputError, match=r"f\.txt:1: the last column does not look like tags: 99 different ones"
    ):
        read_corpus(tmp_path / "f.txt")


def test_columns_that_change_without_any_o_are_not_taken_for_tags(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("Ana lives in Porto .\nShe likes it .\n")
    with pytest.raises(InputError, match=r"f\.txt:2: the number of columns changes"):
        read_corpus(tmp_path / "f.txt")


@pytest.mark.parametrize("tags", ["o b-x", "O B_x I_x", "O B:x"])
def test_misspelled_prefixes_are_not_taken_for_types(tmp_path: Path, tags: str) -> None:
    with pytest.raises(InputError, match=r"train\.conll:2: the tag '[bB].x' has no prefix that is known"):
        read_corpus(write(tmp_path, train=tags))


def test_the_label_map_covers_all_splits_and_what_train_lacks_is_told(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path, train="B-z I-z O", dev="B-z O", test="B-a B-z | B-a"))
    assert corpus.labels.names == ("O", "B-a", "I-a", "B-z", "I-z")
    assert (
        "test has tags that train lacks: B-a (2); they are in the label list, never learned" in corpus.notices
    )


def test_a_split_without_entities(tmp_path: Path) -> None:
    corpus = read_corpus(write(tmp_path, train="O O", test="B-x"))
    assert "the train split holds no entity: every word is tagged O" in corpus.notices
    assert len(corpus.require_split("train")) == 1
    with pytest.raises(InputError, match="the train split holds no entity"):
        corpus.require_split("train", entities=True)
    assert len(corpus.require_split("test", entities=True)) == 1
    with pytest.raises(InputError, match="the data has no validation split, only train, test"):
        corpus.require_split("validation")


def test_columns_of_conll_files_follow_the_settings(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("1\tParis\tB-x\tNNP\n")
    corpus = read_corpus(tmp_path, settings=DataSettings(word_column=1, tag_column=2))
    assert corpus.splits["train"]["tokens"][0] == ["Paris"]
    assert tags_of(corpus) == ["B-x"]


@given(
    st.lists(st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), min_size=1), min_size=1, max_size=4)
)
def test_repaired_data_is_valid_and_valid_data_is_left_alone(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "repair"
    write(folder, train="|".join(" ".join(row) for row in rows))
    settings = DataSettings(scheme="iob2", repair=True)
    corpus = read_corpus(folder, settings=settings)
    again = read_corpus(corpus.splits, settings=settings)
    assert not again.invalid
    assert tags_of(again) == tags_of(corpus)
    if not corpus.invalid:
        assert tags_of(corpus) == [tag for row in rows for tag in row]
