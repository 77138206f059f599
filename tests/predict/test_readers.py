"""Streams and files to lines: bounds, places to go on from, and what is passed on at once."""

import gzip
import io
import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.errors import InputError, RunError
from tagwright.predict.compressed import open_unpacked
from tagwright.predict.conll_lines import conll_columns, read_sentences
from tagwright.predict.rawlines import KEPT_BYTES, raw_lines
from tagwright.predict.readers import check_file, format_of, read_file, read_lines

SIZE = 1 << 30
PIECES = [
    b"a\tO\n",
    b"a O\r\n",
    b"\n",
    b"\r\n",
    b" \t\n",
    b"# id = 1\n",
    b"# x\n",
    b"#\n",
    b"-DOCSTART- -X- O\n",
    b"\xff O\n",
    b"\tO\n",
    b"\xef\xbb\xbfa O\n",
    b'{"text": "a b", "id": 3}\n',
    b'{"tokens": ["a"]}\n',
    b"{\n",
    b"a long line of words\n",
]


def read(data, kind="text", **options):
    return list(read_lines(io.BytesIO(data), "f", kind, **options))


# Long lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize(("size", "too_long"), [(9, False), (10, False), (11, True), (12, True), (500, True)])
def test_a_line_that_is_too_long_is_cut_and_the_next_is_read(size, too_long, end):
    data = b"x" * size + end + b"next"[: 4 * bool(end)]
    first, *rest = raw_lines(io.BytesIO(data), longest=10)
    assert first == (1, b"x" * min(size, 10) if too_long else b"x" * size, size + len(end), too_long)
    assert rest == ([(2, b"next", len(data), False)] if end else [])
    assert list(raw_lines(data.splitlines(keepends=True), longest=10)) == [first, *rest]


@pytest.mark.parametrize("kind", ["text", "jsonl"])
def test_a_line_that_is_too_long_is_a_bad_line(kind):
    good = b'{"text": "a"}\n'
    first, bad, last = read(good + b"\xc3\xa9" * 5000 + b"\n" + good, kind, longest=9999)
    assert bad.error == "the line is longer than 9,999 bytes"
    assert (bad.number, bad.cut, bad.text, bad.words) == (2, True, None, None)
    assert bad.raw == b"\xc3\xa9" * 2048
    assert first.error is last.error is None
    assert (last.number, last.end) == (3, 2 * len(good) + 10_001)


def test_the_bound_is_told_in_mib():
    line = b"x" * (2 << 20)
    assert read(line, longest=1 << 20)[0].error == "the line is longer than 1 MiB"
    assert read(line)[0].text == line.decode()


class Endless:
    """A file whose second line is a gibibyte; what is read of it are always the same bytes."""

    def __init__(self):
        self.left = SIZE
        self.head, self.tail = io.BytesIO(b"a\n"), io.BytesIO(b"\n\nb\n")
        self.block = b"x" * (2 << 20)

    def readline(self, limit):
        if line := self.head.readline(limit):
            return line
        if self.left:
            size = min(limit, self.left)
            self.left -= size
            return self.block[:size]
        return self.tail.readline(limit)


@pytest.mark.parametrize("kind", ["text", "conll"])
def test_a_line_of_gigabytes_takes_no_memory(kind):
    tracemalloc.start()
    try:
        lines = list(read_lines(Endless(), "f", kind, longest=1 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert lines[-1].end == SIZE + len(b"a\n\n\nb\n")
    if kind == "text":
        errors = [None, "the line is longer than 1 MiB", None, None]
        assert [line.text for line in lines] == ["a", None, "", "b"]
        assert [line.number for line in lines] == [1, 2, 3, 4]
    else:
        errors = ["line 2: the line is longer than 1 MiB", None]
        assert (lines[0].raw[:4], len(lines[0].raw)) == (b"a\nxx", KEPT_BYTES)
        assert [(line.number, line.words) for line in lines] == [(1, None), (4, ["b"])]
    assert [line.error for line in lines] == errors


@pytest.mark.parametrize("head", [b"", b"a\n"])
def test_a_small_packed_file_that_unpacks_to_one_huge_line(tmp_path, head):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(head + bytes(32 << 20) + b"\nlast\n", 1))
    tracemalloc.start()
    try:
        with open_unpacked(path) as file:
            lines = list(read_lines(file, "f", "text", longest=1 << 20))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert [line.error for line in lines[-2:]] == ["the line is longer than 1 MiB", None]
    assert lines[-1].text == "last"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_conll_sentence_without_end_is_one_bad_line(ending):
    data = ("a\tO\n" * 100 + "\nb\tO\n\n").replace("\n", ending).encode()
    for options, error in [
        ({"longest": 50}, "the sentence is longer than 50 bytes; end sentences with a blank line"),
        ({"most_words": 99}, "the sentence has more than 99 words; end sentences with a blank line"),
    ]:
        bad, good = read_sentences(raw_lines(io.BytesIO(data)), "f", **options)
        assert (bad.number, bad.error, bad.words, bad.cut) == (1, error, None, True)
        assert bad.raw.startswith(b"a\tO\na\tO\n")
        assert (good.number, good.words, good.end) == (102, ["b"], len(data))
    [same, _] = read_sentences(raw_lines(io.BytesIO(data)), "f", longest=399, most_words=100)
    assert same.words == ["a"] * 100


def test_a_conll_sentence_without_end_takes_no_memory():
    def rows():
        yield from (b"word\tO\n" for _ in range(60_000))
        yield b"\n"
        yield b"a\tO\n"

    tracemalloc.start()
    try:
        bad, good = read_sentences(raw_lines(rows()), "f", longest=100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert bad.cut
    assert len(bad.raw) == KEPT_BYTES
    assert good.words == ["a"]


def test_comments_without_end_are_not_kept():
    def rows():
        yield from (b"# a comment" + b"." * 1000 + b"\n" for _ in range(10_000))
        yield from (b"# O\n", b"a O\n")

    tracemalloc.start()
    try:
        [line] = read_lines(rows(), "f", "conll")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.words == ["a"]
    assert peak < 4 << 20


# Words


@pytest.mark.parametrize(
    ("data", "field", "found"),
    [
        (b'{"tokens": ["a"], "words": ["b"]}', "text", ["a"]),
        (b'{"tokens": ["a"], "words": ["b"]}', "words", ["b"]),
        (b'{"words": "a b"}', "words", "a b"),
        (b'{"body": ["A sentence.", "Another."]}', "body", "'body' is not a string"),
        (b'{"tokens": null}', "text", "there is no 'text'; name the key of the text with --field"),
        (b'{"tokens": null}', "tokens", "'tokens' is not a string"),
    ],
)
def test_words_stand_under_their_two_keys_alone(data, field, found):
    [line] = read(data, "jsonl", field=field)
    assert (line.words or line.text or line.error) == found


# A stream


@pytest.mark.parametrize("kind", ["text", "jsonl", "conll"])
def test_a_line_is_passed_on_as_soon_as_it_ends(kind):
    inlet, outlet = os.pipe()
    with open(inlet, "rb") as reader, open(outlet, "wb", buffering=0) as writer:
        lines = read_lines(reader, "stdin", kind)
        for number in (1, 2, 3):
            writer.write({"text": b"a b\n", "jsonl": b'{"text": "a b"}\n', "conll": b"a\n\n"}[kind])
            line = next(lines)  # would wait for ever
            assert line.number == (2 * number - 1 if kind == "conll" else number)
        writer.close()
        assert list(lines) == []


def test_parquet_is_no_stream():
    with pytest.raises(
        InputError, match="stdin: Parquet is read from a file, not from a stream; name the file"
    ):
        read_lines(io.BytesIO(b"PAR1"), "stdin", "parquet")


# Going on from a place


@given(
    st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["text", "jsonl", "conll"]), st.booleans()
)
def test_reading_on_from_any_line_gives_the_rest(pieces, kind, whole):
    data = b"".join(pieces)
    data = data if whole else data.removesuffix(b"\n")
    lines = read(data, kind, longest=12)
    columns = conll_columns(io.BytesIO(data))
    for done, line in enumerate(lines, 1):
        rest = read(
            data[line.end :],
            kind,
            first_line=line.last + 1,
            offset=line.end,
            count=line.count,
            columns=columns,
            longest=12,
        )
        assert rest == lines[done:]


@pytest.mark.parametrize("packer", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("kind", ["text", "jsonl", "conll"])
def test_files_are_read_on_packed_or_not(tmp_path, kind, packer):
    data = b"# O\n#tag O\na O\n\n# O\nb O\n\n# id = 7\nc O\n"
    if kind == "jsonl":
        data = b'\xef\xbb\xbf{"text": "a"}\n\n{"text": "\xc3\xa9"}\n{\n{"text": "c"}\n'
    path = tmp_path / "f"
    if packer == "gzip":
        path.write_bytes(gzip.compress(data[:20]) + gzip.compress(data[20:]))  # two members
    elif packer == "zstd":
        zstd = pytest.importorskip("backports.zstd", reason="packs the test's file")
        path.write_bytes(zstd.compress(data))
    else:
        path.write_bytes(data)
    lines = list(read_file(path, kind))
    assert len(lines) >= 3
    if kind == "conll":
        assert [line.words for line in lines] == [["#", "#tag", "a"], ["#", "b"], ["c"]]
    for done, line in enumerate(lines, 1):
        rest = read_file(path, kind, line=line.last, offset=line.end, count=line.count)
        assert list(rest) == lines[done:]
    assert lines[-1].end == len(data)


def test_a_packed_file_that_ends_before_the_place_says_so(tmp_path):
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(os.urandom(100_000))[:-5000])
    with pytest.raises(RunError, match="the packed data is damaged or ends early"):
        list(read_file(path, line=5, offset=99_000))


# Files that cannot be read


def test_parquet_is_known_by_its_ending_or_refused_as_text(tmp_path):
    assert [format_of(name) for name in ("a.parquet", "a.PQ", "a.parquet.gz")] == ["parquet"] * 3
    path = tmp_path / "table"
    path.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(InputError, match="table: the file is a Parquet table; read it with --from parquet"):
        check_file(path)
    with pytest.raises(InputError, match="there is no such file"):
        check_file(tmp_path / "missing.parquet")
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(InputError, match="Parquet is read from a file, not from a pipe; write it to one"):
        check_file(tmp_path / "pipe.parquet")
