"""The piece table against the tokenizers' own encoding of split text, and the blank before a word."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from itertools import chain

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from tagwright.encode.align import PieceTable, with_prefix_space
from tagwright.errors import InputError
from tests.tiny_tokenizers import (
    GUIDE_WORDS,
    KINDS,
    TEXT,
    build_tokenizer,
    minilm_tokenizer,
    split_first_tokenizer,
)

TOKENIZERS = {kind: build_tokenizer(kind) for kind in KINDS}
TABLES = {kind: PieceTable(tokenizer) for kind, tokenizer in TOKENIZERS.items()}
OWN = {kind: with_prefix_space(tokenizer) for kind, tokenizer in TOKENIZERS.items()}

words_of_any_kind = st.one_of(
    st.text(min_size=1, max_size=8),
    st.sampled_from(
        [*GUIDE_WORDS, "\ufe0f", "❤", "\u200d", "\x00", "[SEP]", "</s>", "▁", "##s", "Ġ", "a b", "\u00a0"]
    ),
    st.text("aeistn'.@#ß é", min_size=1, max_size=12),
)


def own_pieces(tokenizer, sentences: list[list[str]], unk: int) -> list[list[list[int]]]:
    """What the tokenizer itself gives each word of split text; the unknown piece where it gives nothing."""
    encoded = tokenizer(sentences, is_split_into_words=True, add_special_tokens=False)
    result = []
    for row, sentence in enumerate(sentences):
        pieces: list[list[int]] = [[] for _ in sentence]
        for piece, word in zip(encoded["input_ids"][row], encoded.word_ids(row), strict=True):
            pieces[word].append(piece)
        result.append([found or [unk] for found in pieces])
    return result


def split(ids, counts) -> list[list[int]]:
    return [piece.tolist() for piece in np.split(ids, np.cumsum(counts)[:-1])] if len(counts) else []


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(sentences=st.lists(st.lists(words_of_any_kind, min_size=1, max_size=8), min_size=1, max_size=4))
def test_pieces_are_the_tokenizers_own(kind, sentences):
    table = TABLES[kind]
    ids, counts = table.pieces(list(chain.from_iterable(sentences)))
    expected = own_pieces(OWN[kind], sentences, table.unk_id)
    assert split(ids, counts) == list(chain.from_iterable(expected))
    assert ids.dtype == counts.dtype == np.int32


@pytest.mark.real
@pytest.mark.parametrize("kind", [*KINDS, "minilm"])
def test_pieces_are_the_tokenizers_own_on_wnut17(kind, wnut17):
    sentences = [
        [line.split("\t")[0] for line in block.split("\n")]
        for path in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
        for block in (wnut17 / path).read_text("utf-8").replace("\n\t\n", "\n\n").strip().split("\n\n")
    ]
    tokenizer = minilm_tokenizer() if kind == "minilm" else build_tokenizer(kind)
    table = PieceTable(tokenizer)
    ids, counts = table.pieces(list(chain.from_iterable(sentences)))
    assert len(counts) > 100_000
    expected = own_pieces(with_prefix_space(tokenizer), sentences, table.unk_id)
    assert split(ids, counts) == list(chain.from_iterable(expected))


@pytest.mark.parametrize(
    ("kind", "prefix", "before", "after", "pad", "unk"),
    [
        ("bert", None, ["[CLS]"], ["[SEP]"], "[PAD]", "[UNK]"),
        ("distilbert", None, ["[CLS]"], ["[SEP]"], "[PAD]", "[UNK]"),
        ("roberta", True, ["<s>"], ["</s>"], "<pad>", "<unk>"),
        ("unigram", True, ["<s>"], ["</s>"], "<pad>", "<unk>"),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_what_probing_finds(kind, prefix, before, after, pad, unk, raw):
    tokenizer = build_tokenizer(kind)
    name = tokenizer.convert_tokens_to_ids
    table = PieceTable(tokenizer.backend_tokenizer if raw else tokenizer)
    assert table.add_prefix_space is prefix
    assert table.before.tolist() == [name(piece) for piece in before]
    assert table.after.tolist() == [name(piece) for piece in after]
    assert (table.pad_id, table.unk_id) == (name(pad), name(unk))


def test_a_tokenizer_without_special_pieces():
    table = PieceTable(split_first_tokenizer())
    assert len(table.before) == len(table.after) == table.specials == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_tokenizer_stays_as_it_is(kind):
    tokenizer = build_tokenizer(kind)
    tokenizer(["some text"], truncation=True, max_length=7, padding="max_length")
    before = tokenizer.backend_tokenizer.to_str()
    table = PieceTable(tokenizer)
    assert len(table.pieces(TEXT[1].split() * 3)[1]) == 3 * len(TEXT[1].split())
    with_prefix_space(tokenizer)
    assert tokenizer.backend_tokenizer.to_str() == before


@pytest.mark.parametrize(
    "build", [lambda: build_tokenizer("roberta").backend_tokenizer, split_first_tokenizer]
)
@pytest.mark.parametrize("word", ["the", "storm", "don't", "York"])
def test_a_word_has_the_pieces_it_has_in_running_text(build, word):
    tokenizer = build()
    ids, _ = PieceTable(tokenizer).pieces([word])
    filler = tokenizer.encode("view", add_special_tokens=False).ids
    running = tokenizer.encode(f"view {word}", add_special_tokens=False).ids
    assert running == filler + ids.tolist()
    alone = tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids
    assert alone != ids.tolist()


def test_metaspace_that_prepends_nothing_is_switched():
    tokenizer = build_tokenizer("unigram").backend_tokenizer
    expected = tokenizer.encode(["the", "storm"], is_pretokenized=True, add_special_tokens=False).ids
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="never")]
    )
    # Blanks are split off before the sign could take their place: running text has none either.
    assert PieceTable(tokenizer).add_prefix_space is None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    table = PieceTable(tokenizer)
    assert table.add_prefix_space is True
    assert table.pieces(["the", "storm"])[0].tolist() == expected


def test_the_saved_tokenizer_has_the_blank_as_well(tmp_path):
    build_tokenizer("roberta").save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    changed = with_prefix_space(tokenizer)
    assert type(changed) is type(tokenizer)
    changed.save_pretrained(tmp_path)
    ids = PieceTable(tokenizer).pieces(GUIDE_WORDS)[0].tolist()
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    raw = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert loaded(GUIDE_WORDS, is_split_into_words=True)["input_ids"][1:-1] == ids
    assert raw.encode(GUIDE_WORDS, is_pretokenized=True).ids[1:-1] == ids
    assert PieceTable(raw).pieces(GUIDE_WORDS)[0].tolist() == ids


@pytest.mark.parametrize("kind", ["bert", "distilbert", "unigram"])
def test_a_tokenizer_that_needs_no_change_is_returned_itself(kind):
    tokenizer = build_tokenizer(kind)
    assert with_prefix_space(tokenizer) is tokenizer
    changed = with_prefix_space(build_tokenizer("roberta"))
    assert with_prefix_space(changed) is changed


def test_a_small_cache_gives_the_same():
    words = [f"{word}{number}" for number in range(5) for text in TEXT for word in text.split()]
    expected = TABLES["bert"].pieces(words)
    small = PieceTable(TOKENIZERS["bert"], cached_words=10)
    narrow = PieceTable(TOKENIZERS["bert"], cached_characters=10)
    for start in range(0, len(words), 7):
        for table in (small, narrow):
            ids, counts = table.pieces(words[start : start + 7])
            assert counts.tolist() == expected[1][start : start + 7].tolist()
            first = expected[1][:start].sum()
            assert ids.tolist() == expected[0][first : first + len(ids)].tolist()


def test_threads_share_a_table():
    table = PieceTable(TOKENIZERS["unigram"], cached_words=50)
    batches = [[f"{word}{number}" for word in TEXT[number % 5].split()] for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(table.pieces, batches))
    for batch, (ids, counts) in zip(batches, found, strict=True):
        expected = TABLES["unigram"].pieces(batch)
        assert (ids.tolist(), counts.tolist()) == (expected[0].tolist(), expected[1].tolist())


class Interrupted:
    """A tokenizer; while it encodes for the first time, something else happens."""

    def __init__(self, tokenizer, meanwhile):
        self.tokenizer, self.meanwhile = tokenizer, meanwhile

    def encode_batch(self, *arguments, **options):
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return self.tokenizer.encode_batch(*arguments, **options)


@pytest.mark.parametrize("cached_words", [10_000, 5])
def test_what_others_look_up_while_words_are_encoded(cached_words):
    """They wait for no one; and what they add, and a cache that they empty, costs no one a piece."""
    table = PieceTable(TOKENIZERS["bert"], cached_words=cached_words)
    words, others = TEXT[0].split(), [*TEXT[0].split()[::2], "Jeff", *TEXT[1].split()]
    known = words[:2]
    table.pieces(known)
    found = []

    def meanwhile():
        with ThreadPoolExecutor(1) as pool:
            found.append(pool.submit(table.pieces, others).result())

    table.tokenizer = Interrupted(table.tokenizer, meanwhile)
    found.append(table.pieces(words))
    found.append(table.pieces(others))
    for (ids, counts), asked in zip(found, (others, words, others), strict=True):
        expected = TABLES["bert"].pieces(asked)
        assert (ids.tolist(), counts.tolist()) == (expected[0].tolist(), expected[1].tolist())


def test_more_words_than_are_looked_up_at_once():
    words = [f"{word}{number}" for number in range(200) for word in GUIDE_WORDS] * 3
    assert len(words) > 8192
    ids, counts = PieceTable(TOKENIZERS["roberta"]).pieces(words)
    parts = [TABLES["roberta"].pieces(words[start : start + 1000]) for start in range(0, len(words), 1000)]
    assert ids.tolist() == np.concatenate([part[0] for part in parts]).tolist()
    assert counts.tolist() == np.concatenate([part[1] for part in parts]).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_can_be_sent_to_another_process(kind):
    table = deepcopy(TABLES[kind])
    sent = pickle.dumps(table)
    table.pieces(GUIDE_WORDS)
    assert pickle.dumps(table) == sent
    received = pickle.loads(sent)
    assert received.pieces(GUIDE_WORDS)[0].tolist() == table.pieces(GUIDE_WORDS)[0].tolist()
    assert (received.unk_id, received.before.tolist()) == (table.unk_id, table.before.tolist())


def test_bpe_dropout_is_off():
    tokenizer = build_tokenizer("roberta").backend_tokenizer
    expected = PieceTable(tokenizer).pieces(GUIDE_WORDS)[0].tolist()
    tokenizer.model.dropout = 0.9
    assert PieceTable(tokenizer).pieces(GUIDE_WORDS)[0].tolist() == expected
    assert tokenizer.model.dropout == pytest.approx(0.9)


def test_lone_surrogates_are_read_as_the_replacement_character():
    table = TABLES["roberta"]
    ids, counts = table.pieces(["a\ud800", "b"])
    assert split(ids, counts) == split(*table.pieces(["a\ufffd", "b"]))


def test_no_words():
    ids, counts = TABLES["bert"].pieces([])
    assert len(ids) == len(counts) == 0
    assert ids.dtype == counts.dtype == np.int32


def test_what_is_no_word_or_no_fast_tokenizer():
    with pytest.raises(InputError, match="a word is None"):
        TABLES["bert"].pieces(["a", None])
    with pytest.raises(InputError, match=r"CanineTokenizer is not a fast tokenizer; .*tokenizer\.json"):
        PieceTable(transformers.CanineTokenizer())
    with pytest.raises(InputError, match="str is not a fast tokenizer"):
        with_prefix_space("bert-base-cased")


def test_a_word_level_tokenizer_without_an_unknown_piece():
    table = PieceTable(Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")))
    assert table.pieces(["b", "c"])[0].tolist() == [1, 0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5))))
def test_ranges(pairs):
    from tagwright.encode.pieces import ranges

    starts, sizes = np.array([pair[0] for pair in pairs], int), np.array([pair[1] for pair in pairs], int)
    assert ranges(starts, sizes).tolist() == [start + step for start, size in pairs for step in range(size)]
