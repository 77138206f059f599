from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.data.conll import ConllFile, parse_conll, read_conll, stream_conll
from tagwright.data.conll_writer import format_conll, write_conll
from tagwright.errors import InputError


def sentences(text: str, **columns: int) -> list[list[tuple[str, str]]]:
    rows = parse_conll(text, "f", **columns)
    pairs = zip(rows.sequences(rows.words), rows.sequences(rows.tags), strict=True)
    return [list(zip(words, tags, strict=True)) for words, tags in pairs]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tO\nb\tB-x\n\nc\tO\n", [[("a", "O"), ("b", "B-x")], [("c", "O")]]),
        ("a O\nb B-x\n\nc O\n", [[("a", "O"), ("b", "B-x")], [("c", "O")]]),
        ("a   O\nb  B-x", [[("a", "O"), ("b", "B-x")]]),
        ("EU NNP B-NP B-ORG\n. . O O\n", [[("EU", "B-ORG"), (".", "O")]]),
        ("a\tO\r\nb\tO\r\n\r\nc\tO\r\n", [[("a", "O"), ("b", "O")], [("c", "O")]]),
        ("a\tO\rb\tO\r\rc\tO", [[("a", "O"), ("b", "O")], [("c", "O")]]),
        ("a\tO\n\t\nb\tO\n \t \nc\tO", [[("a", "O")], [("b", "O")], [("c", "O")]]),
        ("\n\n\na\tO\n\n\n\nb\tO\n\n\n", [[("a", "O")], [("b", "O")]]),
        ("a\tO \nb\tO\t\n", [[("a", "O"), ("b", "O")]]),
        ("10\u00a0000\tO\n\ufe0f\tO\n", [[("10\u00a0000", "O"), ("\ufe0f", "O")]]),
        ("10\u00a0000 O\n\u2028 O\n\x85 O\n", [[("10\u00a0000", "O"), ("\u2028", "O"), ("\x85", "O")]]),
        ("\x00\tO\na\x00b\tO\n", [[("\x00", "O"), ("a\x00b", "O")]]),
        ("New York\tB-x\n", [[("New York", "B-x")]]),
        ("#\tO\n#tag\tO\n", [[("#", "O"), ("#tag", "O")]]),
        ("a O\n\n# O\n#tag O\n", [[("a", "O")], [("#", "O"), ("#tag", "O")]]),
        ("a NN O\n\n# = NN O\n# SYM O\n", [[("a", "O")], [("#", "O")]]),
        ("# a remark\n#\na\tO\n", [[("a", "O")]]),
        ("# text = a\tb\na\tO\n", [[("a", "O")]]),
        ("-DOCSTART- -X- O O\n\na NN O O\n", [[("a", "O")]]),
        ("a\tO\n-DOCSTART-\tO\n", [[("a", "O"), ("-DOCSTART-", "O")]]),
    ],
)
def test_reads(text: str, expected: list[list[tuple[str, str]]]) -> None:
    assert sentences(text) == expected


def test_columns_can_be_named() -> None:
    text = "1\tParis\tNNP\tB-x\tparis\n"
    assert sentences(text, word_column=1, tag_column=3) == [[("Paris", "B-x")]]
    assert sentences(text, word_column=-1, tag_column=0) == [[("paris", "1")]]
    with pytest.raises(InputError, match="both taken from column 1"):
        sentences(text, word_column=1, tag_column=1)
    with pytest.raises(InputError, match="f:1: too few columns"):
        sentences(text, word_column=1, tag_column=7)
    with pytest.raises(InputError, match="f:1: too few columns"):
        sentences(text, word_column=4, tag_column=-1)


def test_ids_documents_and_lines() -> None:
    rows = parse_conll(
        "# newdoc id = d1\n# id = s1\na\tO\nb\tO\n\nc\tO\n\n"
        "-DOCSTART-\tO\n\n# remark\n# sent_id = s3\nd\tO\n",
        "f",
    )
    assert rows.ids == ["s1", None, "s3"]
    assert rows.documents == ["d1", "d1", "2"]
    assert rows.line_numbers.tolist() == [3, 4, 6, 12]
    assert rows.place(0, 1) == "f:4"
    assert rows.notices == ["f: 1 comment line skipped"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f: the file is empty"),
        (b"\n \n\t\n", "f: the file holds no sentence"),
        (b"\xef\xbb\xbf", "f: the file holds no sentence"),
        (b"I\nlive\n\nhere\n", "f:1: the file holds words only"),
        (b"word,tag\na,O\n", "f:1: the columns are not separated by tabs or blanks"),
        (b"a\tO\nb\n", "f:2: too few columns: 1 column ('b')"),
        (b"a\tO\nb\t\n", "f:2: too few columns"),
        (b"a\tO\n\tO\n", "f:2: the word is empty"),
        (b"a\tO\n\ncaf\xe9\tO\n", "f:3: invalid UTF-8: byte 0xe9 at offset 8"),
        (b"PAR1....", "f: the file is a Parquet table"),
        (b"\xff\xfea\x00", "f: the file is UTF-16 text"),
        (b"\x7fELF\x02\x00\x00\xf0\x9f\x00", "f: the file is binary"),
    ],
)
def test_bad_input_names_its_place(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_conll(path)
    line = str(caught.value).replace(str(path), "f")
    assert line.startswith(message)
    assert "\n" not in line


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_conll(tmp_path / "none.conll")
    with pytest.raises(InputError, match="a folder stands where"):
        read_conll(tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_first_word(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfa\tO\n")
    assert read_conll(tmp_path / "f").words == ["a"]


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n"), min_size=1)
tags = st.sampled_from(["O", "B-person", "I-creative-work"])


@given(st.lists(st.lists(st.tuples(words, tags), min_size=1), min_size=1))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    rows = [row for row in rows if row[0][0] != "-DOCSTART-"] or [[("a", "O")]]
    path = tmp_path_factory.getbasetemp() / "round.conll"
    ids = [f"s {number}" if number % 2 else None for number in range(len(rows))]
    write_conll(path, [tuple(zip(*row, strict=True)) for row in rows], ids=ids)
    back = read_conll(path)
    assert back.words == [word for row in rows for word, _ in row]
    assert back.tags == [tag for row in rows for _, tag in row]
    assert back.lengths == [len(row) for row in rows]
    assert back.ids == ids


@given(st.lists(st.text(" \t\r#aO-=é\u00a0\ufe0f", max_size=8), max_size=12))
def test_any_lines_are_read_or_refused_in_one_line(lines: list[str]) -> None:
    message = ""
    try:
        rows = parse_conll("\n".join(lines), "f")
    except InputError as error:
        message = str(error)
    else:
        assert len(rows.words) == len(rows.tags) == sum(rows.lengths) == len(rows.line_numbers)
    assert "\n" not in message


@pytest.mark.parametrize("word", ["", "a\tb", "a\nb", " a", "a "])
def test_the_writer_refuses_what_would_not_come_back(word: str) -> None:
    with pytest.raises(InputError, match="CoNLL cannot hold"):
        list(format_conll([([word], ["O"])]))


def test_the_writer_marks_documents() -> None:
    text = "".join(format_conll([(["a"], ["O"])] * 3, documents=["x", "x", "y"]))
    assert parse_conll(text, "f").documents == ["x", "x", "y"]


def test_the_writer_refuses_unequal_lengths_and_a_document_mark() -> None:
    with pytest.raises(InputError, match="sentence 0 has 2 words and 1 tags"):
        list(format_conll([(["a", "b"], ["O"])]))
    with pytest.raises(InputError, match="marks a document"):
        list(format_conll([(["-DOCSTART-"], ["O"])]))


LINES = [
    "a\tO",
    "b\tB-x",
    "\u00e9\tO",
    "a O",
    "",
    "",
    " \t",
    "# note",
    "# id = n",
    "# newdoc id = d",
    "-DOCSTART-\tO",
]


def collect(blocks: Iterable[ConllFile]) -> ConllFile:
    """Join blocks into one file, as it would have been read at once."""
    first, *others = blocks
    for block in others:
        for field in ("words", "tags", "lengths", "lines", "ids", "documents", "notices"):
            getattr(first, field).extend(getattr(block, field))
        first.ragged = first.ragged or block.ragged
    return first


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=30),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    size=st.integers(1, 60),
)
def test_a_stream_of_blocks_is_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], ends: str, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "stream.conll"
    path.write_bytes(ends.join(["\ufeffa\tO", *lines]).encode())
    assert collect(stream_conll(path, block_bytes=size)) == read_conll(path)


def test_a_stream_is_read_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "long.conll"
    path.write_text("a\tO\n\n" * 1000)
    sizes = [len(block) for block in stream_conll(path, block_bytes=500)]
    assert sum(sizes) == 1000
    assert max(sizes) <= 100


def test_a_stream_tells_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for content, message in (
        (b"", "the file is empty"),
        (b"\n\n", "the file holds no sentence"),
        (b"PK\x03\x04", "a zip archive"),
        (b"a\tO\n\n" * 5 + b"a\n", "f:11: too few columns"),
        (b"a\tO\n\n" * 5 + b"\xff\tO\n", "f:11: invalid UTF-8: byte 0xff at offset 25"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            list(stream_conll(path, block_bytes=8))
    with pytest.raises(InputError, match="a folder stands where a file is wanted"):
        list(stream_conll(tmp_path))
    with pytest.raises(InputError, match="there is no such file"):
        list(stream_conll(tmp_path / "none"))


def test_a_format_is_told_from_the_beginning_alone(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\tO\n\n" * 5 + b"BZh\tO\n\n" + "\ufeffb\tO\n\n".encode())
    assert collect(stream_conll(path, block_bytes=8)).words == ["a"] * 5 + ["BZh", "\ufeffb"]


def test_a_tag_alone_is_a_line_where_words_are_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("B-x\nI-x\n\nO\n")
    rows = collect(stream_conll(path, need_words=False))
    assert (rows.words, rows.tags, rows.lengths) == (["", "", ""], ["B-x", "I-x", "O"], [2, 1])


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size", "mentions"),
    [
        ("wnut17train.conll", 3394, 1975),
        ("emerging.dev.conll", 1009, 836),
        ("emerging.test.annotated", 1287, 1079),
    ],
)
def test_wnut17(wnut17: Path, name: str, size: int, mentions: int) -> None:
    rows = read_conll(wnut17 / name)
    assert len(rows) == size
    assert sum(tag.startswith("B-") for tag in rows.tags) == mentions


def test_a_hundred_thousand_sentences_take_seconds() -> None:
    text = ("word\tO\n" * 16 + "\n") * 100_000
    began = time.perf_counter()
    assert len(parse_conll(text, "f")) == 100_000
    assert time.perf_counter() - began < 10  # about half a second on a quiet core
