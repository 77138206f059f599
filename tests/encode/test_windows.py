"""Windows: every word has one place, whatever its length and the limit."""

from __future__ import annotations

import time
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from tagwright.encode.align import PieceTable, with_prefix_space
from tagwright.encode.windows import Encoded, encode_words
from tagwright.errors import InputError
from tests.tiny_tokenizers import GUIDE_WORDS, KINDS, TEXT, build_tokenizer

TABLES = {kind: PieceTable(build_tokenizer(kind)) for kind in KINDS}
TABLE = TABLES["roberta"]
SENTENCES = [GUIDE_WORDS, *(text.split() for text in TEXT)]

words = st.one_of(
    st.sampled_from(GUIDE_WORDS), st.text(min_size=1, max_size=5), st.text("ab#.", min_size=9, max_size=30)
)
sentences_of_words = st.lists(st.lists(words, max_size=25), max_size=5)
limits = st.integers(3, 40)
overlaps = st.integers(0, 30)


def window(encoded: Encoded, index: int) -> list[int]:
    return encoded.ids[encoded.offsets[index] : encoded.offsets[index + 1]].tolist()


def homes(encoded: Encoded) -> np.ndarray:
    """The window of each word."""
    return np.searchsorted(encoded.offsets, encoded.word_positions, side="right") - 1


def assert_consistent(encoded: Encoded, sentences: list[list[str]], table: PieceTable, limit: int) -> None:
    flat = list(chain.from_iterable(sentences))
    assert encoded.word_offsets.tolist() == [
        sum(map(len, sentences[:row])) for row in range(len(sentences) + 1)
    ]
    assert len(encoded.word_positions) == len(encoded.word_pieces) == len(flat)
    assert encoded.offsets[0] == 0
    assert encoded.offsets[-1] == len(encoded.ids)
    assert len(encoded.sentences) == len(encoded.lengths) == len(encoded.offsets) - 1
    assert encoded.lengths.max(initial=0) <= limit
    assert (np.diff(encoded.sentences) >= 0).all()
    assert set(encoded.sentences.tolist()) == {row for row, sentence in enumerate(sentences) if sentence}
    for index in range(len(encoded.lengths)):
        pieces = window(encoded, index)
        assert pieces[: len(table.before)] == table.before.tolist()
        assert pieces[len(pieces) - len(table.after) :] == table.after.tolist()
    assert encoded.ids.dtype == encoded.word_pieces.dtype == np.int32
    for array in (encoded.offsets, encoded.sentences, encoded.word_offsets, encoded.word_positions):
        assert array.dtype == np.int64


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(sentences=sentences_of_words, limit=limits, overlap=overlaps)
def test_every_word_has_one_place(kind, sentences, limit, overlap):
    table = TABLES[kind]
    encoded = encode_words(table, sentences, limit=limit, overlap=overlap)
    assert_consistent(encoded, sentences, table, limit)
    assert encoded.lost_words == 0
    assert (
        encoded.sentences[homes(encoded)] == np.repeat(np.arange(len(sentences)), [*map(len, sentences)])
    ).all()
    room = limit - table.specials
    for word, position, size, home in zip(
        chain.from_iterable(sentences),
        encoded.word_positions,
        encoded.word_pieces,
        homes(encoded),
        strict=True,
    ):
        own = table.pieces([word])[0][:room].tolist()
        assert encoded.ids[position : position + size].tolist() == own
        start, end = encoded.offsets[home], encoded.offsets[home + 1]
        assert start + len(table.before) <= position
        assert position + size <= end - len(table.after)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=25), limit=limits, overlap=overlaps)
def test_a_word_stands_where_it_has_most_context(sizes, limit, overlap):
    firsts = [chr(0x4E00 + place) for place in range(len(sizes))]  # each word is known by its first piece
    table = PieceTable(
        Tokenizer(WordPiece(dict(zip(["?", "##x", *firsts], range(99), strict=False)), unk_token="?"))
    )
    sentence = [first + "x" * (size - 1) for first, size in zip(firsts, sizes, strict=True)]
    encoded = encode_words(table, [["?"], sentence], limit=limit, overlap=overlap)
    held = {
        index: [piece - 2 for piece in window(encoded, index) if piece >= 2]
        for index in range(1, len(encoded.lengths))
    }
    ends = [places[-1] for places in held.values()]
    assert ends == sorted(set(ends))  # each window goes on where the one before it ends
    for place, home in enumerate(homes(encoded)[1:].tolist()):
        contexts = {}
        for index, places in held.items():
            if place in places:
                start, end = places[0], places[-1] + 1
                assert places == list(range(start, end))
                left = sum(sizes[start:place]) if start else np.inf
                right = sum(sizes[place + 1 : end]) if end < len(sizes) else np.inf
                contexts[index] = min(left, right)
        assert home == max(contexts, key=lambda index: (contexts[index], -index))


@pytest.mark.parametrize("overlap", [0, 4, 10, 1000])
def test_neighbours_share_about_the_overlap(overlap):
    encoded = encode_words(TABLE, [SENTENCES[1] * 20], limit=42, overlap=overlap)
    sizes = encoded.lengths - TABLE.specials
    total = int(TABLE.pieces(SENTENCES[1] * 20)[1].sum())
    longest = int(TABLE.pieces(SENTENCES[1])[1].max())
    shared = (sizes.sum() - total) / (len(sizes) - 1)
    taken = min(overlap, 20)
    assert taken - longest < shared <= taken
    assert sizes[:-1].min() > 40 - longest


@settings(deadline=None)
@given(sentences=sentences_of_words, limit=limits, overlap=overlaps)
def test_sentences_do_not_touch_each_other(sentences, limit, overlap):
    together = encode_words(TABLE, sentences, limit=limit, overlap=overlap)
    start = 0
    for row, sentence in enumerate(sentences):
        alone = encode_words(TABLE, [sentence], limit=limit, overlap=overlap)
        assert together.ids[start : start + len(alone.ids)].tolist() == alone.ids.tolist()
        place = slice(together.word_offsets[row], together.word_offsets[row + 1])
        assert (together.word_positions[place] - start).tolist() == alone.word_positions.tolist()
        assert together.word_pieces[place].tolist() == alone.word_pieces.tolist()
        start += len(alone.ids)
    assert start == len(together.ids)


@settings(deadline=None)
@given(sentence=st.lists(words, min_size=2, max_size=25), place=st.integers(1, 24))
def test_a_sentence_cut_in_two_keeps_its_pieces(sentence, place):
    whole = encode_words(TABLE, [sentence], limit=512)
    halves = encode_words(TABLE, [sentence[:place], sentence[place:]], limit=512)
    assert halves.word_pieces.tolist() == whole.word_pieces.tolist()
    assert halves.ids[halves.word_positions].tolist() == whole.ids[whole.word_positions].tolist()


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=40)
@given(sentences=sentences_of_words, limit=limits)
def test_truncation_is_the_tokenizers_own(kind, sentences, limit):
    table = TABLES[kind]
    encoded = encode_words(table, sentences, limit=limit, on_overflow="truncate")
    assert_consistent(encoded, sentences, table, limit)
    for index, row in enumerate(encoded.sentences):
        pieces = table.pieces(sentences[row])[0][: limit - table.specials].tolist()
        assert window(encoded, index) == [*table.before.tolist(), *pieces, *table.after.tolist()]
        sizes = table.pieces(sentences[row])[1]
        ahead = np.cumsum(sizes) - sizes
        place = slice(encoded.word_offsets[row], encoded.word_offsets[row + 1])
        kept = np.clip(limit - table.specials - ahead, 0, sizes)
        assert encoded.word_pieces[place].tolist() == kept.tolist()
        assert (encoded.word_positions[place] >= 0).tolist() == (kept > 0).tolist()
    assert encoded.lost_words == int((encoded.word_pieces == 0).sum())


def test_truncation_counts_what_it_cuts():
    encoded = encode_words(TABLE, [GUIDE_WORDS, ["a"]], limit=9, on_overflow="truncate")
    whole = encode_words(TABLE, [GUIDE_WORDS, ["a"]], limit=512)
    assert whole.lost_words == 0
    assert encoded.lost_words == sum(position < 0 for position in encoded.word_positions.tolist()) > 0


def test_text_that_fits_is_what_the_tokenizer_makes_of_it():
    for kind in KINDS:
        tokenizer = with_prefix_space(build_tokenizer(kind))
        encoded = encode_words(TABLES[kind], SENTENCES, limit=512, on_overflow="error")
        expected = tokenizer(SENTENCES, is_split_into_words=True)["input_ids"]
        assert [window(encoded, index) for index in range(len(SENTENCES))] == expected


def test_overflow_as_an_error():
    long = ["storm"] * 50
    options = {"limit": 20, "on_overflow": "error"}
    assert len(encode_words(TABLE, [["a"], ["b"]], **options).lengths) == 2
    with pytest.raises(
        InputError, match=r"^sentence 2: \d+ pieces are more than a window of 20 holds; set on_over"
    ):
        encode_words(TABLE, [["a"], long], **options)
    size = int(TABLE.pieces(long)[1].sum()) + 2
    with pytest.raises(InputError, match=rf"^dev:7: {size} pieces .* \(and 1 more like it\)"):
        encode_words(TABLE, [["a"], long, long], names=["dev:1", "dev:7", "dev:90"], **options)


def test_a_word_longer_than_a_window_keeps_its_first_pieces():
    long = "#" * 100
    for place in range(3):
        sentence = ["a", "b"]
        sentence.insert(place, long)
        encoded = encode_words(TABLE, [sentence], limit=12, overlap=4)
        position = encoded.word_positions[place]
        assert encoded.word_pieces[place] == 10
        assert encoded.ids[position : position + 10].tolist() == TABLE.pieces([long])[0][:10].tolist()
        assert encoded.lost_words == 0


def test_sentences_without_words_have_no_window():
    encoded = encode_words(TABLE, [[], ["a"], [], []], limit=8)
    assert encoded.sentences.tolist() == [1]
    assert encoded.word_offsets.tolist() == [0, 0, 1, 1, 1]
    for nothing in ([], [[]], [[], []]):
        encoded = encode_words(TABLE, nothing, limit=8)
        assert_consistent(encoded, nothing, TABLE, 8)
        assert len(encoded.ids) == len(encoded.lengths) == len(encoded.word_positions) == 0


def test_what_cannot_be_encoded():
    with pytest.raises(InputError, match="a limit of 2 pieces leaves no room for a word beside 2 special"):
        encode_words(TABLE, [["a"]], limit=2)
    with pytest.raises(InputError, match="'window', 'truncate' or 'error'"):
        encode_words(TABLE, [["a"]], limit=9, on_overflow="drop")
    with pytest.raises(InputError, match="a word is 7"):
        encode_words(TABLE, [["a", 7]], limit=9)


def test_time_is_linear():
    vocabulary = [f"{word}{number}" for number in range(40) for word in GUIDE_WORDS]
    TABLE.pieces(vocabulary)

    def seconds(sentences, limit):
        started = time.process_time()
        encoded = encode_words(TABLE, sentences, limit=limit)
        assert len(encoded.word_positions) == 200_000
        return time.process_time() - started

    repeated = vocabulary * (200_000 // len(vocabulary) + 1)
    document = repeated[:200_000]
    short = [document[start : start + 20] for start in range(0, 200_000, 20)]
    # Some 0.05 s each on one quiet core; quadratic code would take minutes.
    assert min(seconds([document], 512) for _ in range(3)) < 1.5
    assert min(seconds([document], 16) for _ in range(3)) < 1.5
    assert min(seconds(short, 512) for _ in range(3)) < 1
