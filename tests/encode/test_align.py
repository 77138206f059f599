"""`align_labels` against the guide's function, and what it does better."""

from __future__ import annotations

import logging
import pickle
from functools import partial

import dill
import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorForTokenClassification

from tagwright.encode.align import Aligner, align_labels, with_prefix_space
from tagwright.errors import InputError
from tagwright.tags import LabelMap, Scheme
from tests.tiny_tokenizers import GUIDE_TAGS, GUIDE_WORDS, KINDS, TEXT, build_tokenizer, minilm_tokenizer

TOKENIZERS = {kind: with_prefix_space(build_tokenizer(kind)) for kind in KINDS}
NAMES = ["O", *(f"{role}-{label}" for label in ("corporation", "group", "location") for role in "BI")]
FEATURES = Features(
    {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(num_classes=13))}
)


def tokenize_and_align_labels(examples, tokenizer):
    """The guide's function, as the guide has it."""
    tokenized_inputs = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)

    labels = []
    for i, label in enumerate(examples["ner_tags"]):
        word_ids = tokenized_inputs.word_ids(batch_index=i)  # Map tokens to their respective word.
        previous_word_idx = None
        label_ids = []
        for word_idx in word_ids:  # Set the special tokens to -100.
            if word_idx is None:
                label_ids.append(-100)
            elif word_idx != previous_word_idx:  # Only label the first token of a given word.
                label_ids.append(label[word_idx])
            else:
                label_ids.append(-100)
            previous_word_idx = word_idx
        labels.append(label_ids)

    tokenized_inputs["labels"] = labels
    return tokenized_inputs


def batch_of(sentences: list[list[str]]) -> dict[str, list]:
    tags = [[(7 * position + len(word)) % 13 for position, word in enumerate(words)] for words in sentences]
    return {"id": [str(row) for row in range(len(sentences))], "tokens": sentences, "ner_tags": tags}


GUIDE = {"id": ["0"], "tokens": [GUIDE_WORDS], "ner_tags": [GUIDE_TAGS]}
BATCH = batch_of([GUIDE_WORDS, *(text.split() for text in TEXT), [], ["storm"]])

# Words of which each of the four kinds makes at least one piece.
words = st.one_of(
    st.sampled_from([*GUIDE_WORDS, "[SEP]", "</s>", "❤"]), st.text("aeistn'.@#é", min_size=1, max_size=9)
)


@pytest.mark.real
def test_the_guides_example():
    tokenizer = minilm_tokenizer()
    found = align_labels(GUIDE, tokenizer)
    pieces = (
        "[CLS] @ paul ##walk it ' s the view from where i ' m living for two weeks . empire state building = es ##b "
        ". pretty bad storm here last evening . [SEP]"
    )
    assert " ".join(tokenizer.convert_ids_to_tokens(found["input_ids"][0])) == pieces
    # fmt: off
    assert found["labels"] == [[
        -100, 0, -100, -100, 0, 0, -100, 0, 0, 0, 0, 0, 0, -100, 0, 0, 0, 0, 0, 7, 8, 8, 0, 7, -100,
        0, 0, 0, 0, 0, 0, 0, 0, -100,
    ]]
    # fmt: on
    assert found["attention_mask"] == [[1] * 34]
    assert set(found) == {"input_ids", "attention_mask", "labels"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [GUIDE, BATCH])
def test_the_guides_result(kind, batch):
    expected = dict(tokenize_and_align_labels(batch, TOKENIZERS[kind]))
    found = align_labels(batch, TOKENIZERS[kind])
    assert found == expected
    assert list(found) == list(expected)
    assert ("token_type_ids" in found) == (kind == "bert")


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(sentences=st.lists(st.lists(words, max_size=12), min_size=1, max_size=5))
def test_the_guides_result_on_any_words(kind, sentences):
    batch = batch_of(sentences if sentences[0] else [["a"], *sentences])
    assert align_labels(batch, TOKENIZERS[kind]) == dict(tokenize_and_align_labels(batch, TOKENIZERS[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [3, 4, 9, 20, 512])
@pytest.mark.parametrize("side", ["right", "left"])
def test_truncation_is_the_guides(kind, limit, side):
    tokenizer = build_tokenizer(kind, model_max_length=limit)
    tokenizer.truncation_side = side
    tokenizer = with_prefix_space(tokenizer)
    found = align_labels(BATCH, tokenizer)
    assert found == dict(tokenize_and_align_labels(BATCH, tokenizer))
    assert max(map(len, found["input_ids"])) <= limit
    whole = align_labels(BATCH, tokenizer, truncation=False)
    assert whole == align_labels(BATCH, tokenizer, max_length=1000) == align_labels(BATCH, TOKENIZERS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_through_map(kind, caplog, recwarn):
    data = Dataset.from_dict(batch_of(BATCH["tokens"] * 5), features=FEATURES)
    expected = data.map(
        partial(tokenize_and_align_labels, tokenizer=TOKENIZERS[kind]), batched=True, batch_size=7
    )
    with caplog.at_level(logging.WARNING):
        for function in (partial(align_labels, tokenizer=TOKENIZERS[kind]), Aligner(TOKENIZERS[kind])):
            found = data.map(function, batched=True, batch_size=7)
            assert found.features == expected.features
            assert found.to_list() == expected.to_list()
            assert found[0]["input_ids"] == expected[0]["input_ids"]
            again = data.map(function, batched=True, batch_size=7)
            assert again._fingerprint == found._fingerprint  # so that `map` finds its own cache
    assert not caplog.records
    assert not recwarn.list


@pytest.mark.real
def test_through_map_on_wnut17(wnut17):
    sentences = [
        [line.split("\t")[0] for line in block.split("\n")]
        for block in (wnut17 / "emerging.dev.conll").read_text("utf-8").strip().split("\n\n")
    ]
    sentences = [
        [word for word in sentence if word != "\ufe0f"] for sentence in sentences
    ]  # the guide loses these
    data = Dataset.from_dict(batch_of(sentences), features=FEATURES)
    for kind in KINDS:
        expected = data.map(partial(tokenize_and_align_labels, tokenizer=TOKENIZERS[kind]), batched=True)
        assert data.map(Aligner(TOKENIZERS[kind]), batched=True).to_list() == expected.to_list()


def test_the_collator_takes_what_map_made():
    tokenizer = TOKENIZERS["bert"]
    data = Dataset.from_dict(BATCH, features=FEATURES).map(Aligner(tokenizer), batched=True)
    columns = ["input_ids", "attention_mask", "token_type_ids", "labels"]
    rows = [{name: row[name] for name in columns} for row in data]
    batch = DataCollatorForTokenClassification(tokenizer)(rows)
    assert batch["labels"].shape == batch["input_ids"].shape == (len(data), max(map(len, data["input_ids"])))
    assert batch["labels"][0][: len(data[0]["labels"])].tolist() == data[0]["labels"]


def test_however_the_columns_are_stored():
    expected = align_labels(BATCH, TOKENIZERS["bert"])
    whole = Dataset.from_dict(BATCH, features=FEATURES)
    large = Features({**FEATURES, "tokens": LargeList(Value("large_string"))})
    padded = Dataset(pa.concat_tables([whole.data.table, whole.data.table.slice(2, 3)])).cast(FEATURES)
    rows = list(range(len(whole)))
    for data in (
        whole.cast(large),
        whole.select([*rows[::-1]]).select(rows[::-1]),
        padded.select(rows),
        whole.with_format("numpy"),
        whole.filter(lambda row: True),
    ):
        found = data.map(Aligner(TOKENIZERS["bert"]), batched=True, batch_size=3).with_format(None)
        assert found["input_ids"][:] == expected["input_ids"]
        assert found["labels"][:] == expected["labels"]


def test_a_column_changed_before_it_is_aligned():
    def shout(examples):
        examples["tokens"] = [[word.upper() for word in words] for words in examples["tokens"]]
        examples["ner_tags"] = [[0] * len(words) for words in examples["tokens"]]
        return align_labels(examples, TOKENIZERS["roberta"])

    found = Dataset.from_dict(BATCH, features=FEATURES).map(shout, batched=True)
    loud = {"tokens": [[word.upper() for word in words] for words in BATCH["tokens"]]}
    assert found["input_ids"][:] == align_labels(loud, TOKENIZERS["roberta"])["input_ids"]
    assert {label for row in found["labels"] for label in row} == {0, -100}


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_without_pieces_keeps_its_label(kind):
    batch = {"tokens": [["a", "\ufe0f", "b"], ["\x00"]], "ner_tags": [[0, 5, 0], [3]]}
    found = align_labels(batch, TOKENIZERS[kind])
    assert [[label for label in row if label != -100] for row in found["labels"]] == [[0, 5, 0], [3]]


def test_words_get_the_blank_that_the_file_forgets():
    plain, with_blank = build_tokenizer("roberta"), TOKENIZERS["roberta"]
    assert align_labels(GUIDE, plain) == align_labels(GUIDE, with_blank)
    assert align_labels(GUIDE, plain)["input_ids"] != tokenize_and_align_labels(GUIDE, plain)["input_ids"]


@pytest.mark.parametrize(
    ("scheme", "names", "first", "later"),
    [
        (Scheme.IOB2, NAMES, "B-group", "I-group"),
        (Scheme.IOB2, NAMES, "I-group", "I-group"),
        (Scheme.IOB2, NAMES, "O", "O"),
        (Scheme.IO, ["O", "I-group", "I-location"], "I-location", "I-location"),
        (Scheme.BIOES, ["O", "B-a", "I-a", "E-a", "S-a"], "S-a", "I-a"),
        (Scheme.BIOES, ["O", "B-a", "I-a", "E-a", "S-a"], "E-a", "I-a"),
        (Scheme.BILOU, ["O", "B-a-b", "I-a-b", "L-a-b", "U-a-b"], "U-a-b", "I-a-b"),
        (Scheme.IOB2, ["O", "B-a"], "B-a", "B-a"),
        (Scheme.WORD, ["NOUN", "VERB"], "VERB", "VERB"),
    ],
)
def test_all_pieces_are_labelled(scheme, names, first, later):
    labels = LabelMap(names, scheme)
    tag = labels.label2id[first]
    batch = {"tokens": [["@paulwalk", "zzz"]], "ner_tags": [[tag, -100]]}
    found = align_labels(batch, TOKENIZERS["roberta"], label_pieces="all", labels=labels)["labels"][0]
    size = found.index(-100, 1) - 1
    assert size > 1
    assert found == [-100, tag, *[labels.label2id[later]] * (size - 1), *[-100] * (len(found) - size - 1)]


def test_without_tags_there_are_no_labels():
    found = align_labels({"tokens": BATCH["tokens"]}, TOKENIZERS["bert"])
    expected = align_labels(BATCH, TOKENIZERS["bert"])
    del expected["labels"]
    assert found == expected


def test_a_raw_tokenizer():
    found = align_labels(BATCH, TOKENIZERS["distilbert"].backend_tokenizer)
    assert found == align_labels(BATCH, TOKENIZERS["distilbert"])


def test_pieces_added_to_a_tokenizer_are_seen():
    tokenizer = build_tokenizer("bert")
    before = align_labels(GUIDE, tokenizer)["input_ids"][0]
    tokenizer.add_tokens(["@paulwalk"])
    after = align_labels(GUIDE, tokenizer)["input_ids"][0]
    assert after[1] == tokenizer.convert_tokens_to_ids("@paulwalk")
    assert len(after) < len(before)


@pytest.mark.parametrize("pickler", [pickle, dill])
def test_an_aligner_can_be_sent_to_another_process(pickler):
    aligner = pickler.loads(pickler.dumps(Aligner(TOKENIZERS["roberta"])))
    assert aligner(BATCH) == align_labels(BATCH, TOKENIZERS["roberta"])


def test_tags_as_arrays():
    batch = {
        "tokens": BATCH["tokens"],
        "ner_tags": [np.array(tags, dtype=np.int32) for tags in BATCH["ner_tags"]],
    }
    assert align_labels(batch, TOKENIZERS["bert"]) == align_labels(BATCH, TOKENIZERS["bert"])


def test_an_empty_batch():
    assert align_labels({"tokens": [], "ner_tags": []}, TOKENIZERS["distilbert"]) == {
        "input_ids": [],
        "attention_mask": [],
        "labels": [],
    }


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        (
            {"tokens": ["a", "b"], "ner_tags": [0, 1]},
            {},
            "one sentence, not a batch; call map with batched=True",
        ),
        ({"tokens": [["a"], ["b"]], "ner_tags": [[0], [1, 2]]}, {}, "sentence 2: 1 words and 2 tags"),
        (
            {"id": ["x", "y"], "tokens": [["a"], ["b", "c"]], "ner_tags": [[0], [1]]},
            {},
            "sentence y: 2 words and 1 tags",
        ),
        ({"tokens": [["a"]], "ner_tags": [["O"]]}, {}, "ner_tags are not ids"),
        ({"tokens": [["a", None]], "ner_tags": [[0, 0]]}, {}, "a word is None"),
        (GUIDE, {"label_pieces": "all"}, "needs the label map"),
        (GUIDE, {"label_pieces": "last"}, "'first' or 'all'"),
        (GUIDE, {"max_length": 2}, "leaves no room for a word"),
    ],
)
def test_what_cannot_be_aligned(batch, options, message):
    with pytest.raises(InputError, match=message):
        align_labels(batch, TOKENIZERS["bert"], **options)


def test_gaps_in_a_column_are_errors():
    features = Features({"tokens": List(Value("string")), "ner_tags": List(Value("int64"))})
    data = Dataset.from_dict({"tokens": [["a", None]], "ner_tags": [[0, 1]]}, features=features)
    with pytest.raises(InputError, match="a word is None"):
        data.map(Aligner(TOKENIZERS["bert"]), batched=True)
