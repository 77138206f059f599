"""Parquet in and out."""

import datetime
import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError, RunError
from tagwright.predict import parquet as parquet_in
from tagwright.predict import parquet_file
from tagwright.predict.lines import Line
from tagwright.predict.parquet_file import finish_parquet
from tagwright.predict.readers import check_file, read_file, read_parquet
from tagwright.predict.writers import bad_line, format_named
from tagwright.records import Entity, Prediction

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow: pip install 'tagwright[parquet]'")
pq = pytest.importorskip("pyarrow.parquet")

TEXTS = ["Jeff left", None, "", "😀 é"]


def write(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def answer(text, *spans, line=1, words=(), lost=0, **known):
    """A line of a part file: spans are (label, start, end)."""
    entities = [Entity(label, start, end, 0, 1, text[start:end], 0.5) for label, start, end in spans]
    prediction = Prediction(words, [], [], [], [], entities, lost)
    several = known.pop("several", False)
    return format_named("parquet", several=several).render(Line("f", line, b"", **known), text, prediction)


def finish(tmp_path, *answers):
    part, out = tmp_path / "out.part", tmp_path / "out.parquet"
    part.write_text("".join(answers), encoding="utf-8")
    assert finish_parquet(part, out) == len(answers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "out.part"]
    return pq.read_table(out).to_pylist()


# In


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_texts_of_every_kind_of_string(tmp_path, kind):
    column = pa.array(TEXTS)
    column = column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column.cast(kind)
    path = write(tmp_path / "f.parquet", other=pa.array([1, 2, 3, 4]), text=column)
    check_file(path)
    lines = list(read_file(path))
    assert [line.text for line in lines] == TEXTS
    assert [line.error for line in lines] == [None, "'text' is null", None, None]
    assert [(line.number, line.last, line.end) for line in lines] == [(n, n, n) for n in (1, 2, 3, 4)]
    assert lines[3].raw.decode() == '{"text": "😀 é"}'
    assert [line.id for line in lines] == [None] * 4


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
        pa.list_view(pa.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["tokens", "words"])
@pytest.mark.parametrize("named", [False, True])
def test_words_of_every_kind_of_list(tmp_path, kind, name, named):
    words = [["Jeff", "left"], [], None, ["a", None, "😀"]]
    path = write(tmp_path / "f.parquet", **{name: pa.array(words, kind), "ner_tags": pa.array([[0]] * 4)})
    lines = list(read_file(path, field=name if named else "text"))
    assert [line.words for line in lines] == [["Jeff", "left"], [], None, None]
    assert [line.error for line in lines[2:]] == [f"{name!r} is null", f"word 2 of {name!r} is null"]
    assert lines[3].raw.decode() == json.dumps({name: ["a", None, "😀"]}, ensure_ascii=False)


def test_bytes_that_are_not_utf_8_are_a_bad_row(tmp_path):
    text = pa.array([b"a", b"b\xff", b"c"])
    words = pa.array([[b"a"], [b"b", b"\xff"], [b"c"]])
    path = write(tmp_path / "f.parquet", text=text.view(pa.string()), tokens=words)
    good, bad, last = read_file(path)
    assert (good.text, last.text) == ("a", "c")
    assert bad.error == "invalid UTF-8: byte 0xff at offset 1"
    assert bad.raw == rb'{"text": "b\\xff"}'
    errors = [line.error for line in read_file(path, field="tokens")]
    assert errors == [
        None,
        "word 2 of 'tokens': invalid UTF-8: byte 0xff at offset 0",
        None,
    ]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([7, None, 2**60]), [7, None, 2**60]),
        (pa.array(["x", None, "é"]).dictionary_encode(), ["x", None, "é"]),
        (pa.array([0.5, math.nan, None]), [0.5, None, None]),
        (pa.array([True, False, None]), [True, False, None]),
        (pa.array([datetime.date(2026, 1, 2), None, None]), ["2026-01-02", None, None]),
    ],
    ids=["int", "string", "float", "bool", "date"],
)
def test_ids_are_kept_as_json_has_them(tmp_path, ids, expected):
    path = write(tmp_path / "f.parquet", text=pa.array(["a", "b", None]), id=ids)
    lines = list(read_file(path))
    assert [line.id for line in lines] == expected
    assert json.loads(lines[0].raw) == {"id": expected[0], "text": "a"}


def test_reading_on_from_any_row_gives_the_rest(tmp_path):
    path = write(tmp_path / "f.parquet", text=pa.array([str(row) for row in range(10)]))
    lines = list(read_file(path))
    for done, line in enumerate(lines, 1):
        assert list(read_file(path, line=line.last, offset=line.end)) == lines[done:]


def test_a_row_that_is_too_long_is_a_bad_one(tmp_path):
    path = write(tmp_path / "f.parquet", text=pa.array(["a", "é" * 100_000, "b"]))
    first, bad, last = read_parquet(path, longest=1000)
    assert (bad.error, bad.cut, bad.text) == ("the row is longer than 1,000 bytes", True, None)
    assert len(bad.raw) <= 4096
    assert (first.text, last.text) == ("a", "b")


def test_a_huge_row_group_is_never_held_whole(tmp_path):
    texts = [f"{row} " * 400 for row in range(15_000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "f.parquet", use_dictionary=False)
    size = sum(map(len, texts))
    del texts
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in read_parquet(tmp_path / "f.parquet"))
    assert size > 30_000_000
    assert most < 16 << 20


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        (
            {"body": ["a"], "n": [1]},
            "text",
            "there is no column 'text'; the columns are body, n; name the one",
        ),
        ({"text": [1]}, "text", "the column 'text' holds int64, not strings"),
        ({"text": [["a"]]}, "text", "the column 'text' holds list<element: string>, not strings"),
        ({"tokens": ["a"]}, "text", "the column 'tokens' holds string, not lists of strings"),
        ({"tokens": [[1]]}, "text", "the column 'tokens' holds list<element: int64>, not lists of strings"),
    ],
)
def test_files_without_a_column_of_text(tmp_path, columns, field, message):
    path = write(tmp_path / "f.parquet", **columns)
    for act in (lambda: check_file(path, field=field), lambda: list(read_file(path, field=field))):
        with pytest.raises(InputError) as caught:
            act()
        assert str(caught.value).startswith(f"{path}: {message}")


def test_two_columns_of_one_name(tmp_path):
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "f.parquet")
    with pytest.raises(InputError, match="two columns are called 'text'"):
        check_file(tmp_path / "f.parquet")


def test_a_file_that_is_no_parquet(tmp_path):
    path = tmp_path / "f.parquet"
    for data in (b"", b"a text", b"PAR1 and no more"):
        path.write_bytes(data)
        with pytest.raises(
            InputError,
            match=r"f\.parquet: no Parquet file that can be read: it is of another format, or ends early",
        ):
            check_file(path)


def test_a_file_that_is_damaged_within(tmp_path):
    path = tmp_path / "f.parquet"
    texts = pa.array([f"text {row}" for row in range(20_000)])
    pq.write_table(
        pa.table({"text": texts}), path, use_dictionary=False, data_page_size=8192, row_group_size=10_000
    )
    data = bytearray(path.read_bytes())
    begin = len(data) * 3 // 4
    data[begin : begin + 20_000] = b"\xff" * 20_000
    path.write_bytes(data)
    check_file(path)
    lines = []

    def collect():
        for line in read_file(path):
            lines.append(line.text)  # noqa: PERF401 - those before the damage are looked at

    with pytest.raises(RunError, match=r"f\.parquet: the Parquet file is damaged: .*; copy it again, whole"):
        collect()
    assert lines[:10_000] == texts.to_pylist()[:10_000]


def test_what_datasets_wrote(tmp_path):
    datasets = pytest.importorskip("datasets", reason="it writes the file that is read")
    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-person"]))
    words = datasets.Sequence(datasets.Value("string"))
    data = datasets.Dataset.from_dict(
        {"id": ["7", "8"], "tokens": [["Jeff"], ["a", "b"]], "ner_tags": [[1], [0, 0]], "label": [0, 1]},
        features=datasets.Features(
            id=datasets.Value("string"),
            tokens=words,
            ner_tags=tags,
            label=datasets.ClassLabel(names=["x", "y"]),
        ),
    )
    data.to_parquet(tmp_path / "f.parquet")
    lines = list(read_file(tmp_path / "f.parquet"))
    assert [(line.id, line.words) for line in lines] == [("7", ["Jeff"]), ("8", ["a", "b"])]
    with pytest.raises(InputError, match="the column 'label' holds int64, not strings"):
        check_file(tmp_path / "f.parquet", field="label")


# Out


def test_answers_become_a_table(tmp_path):
    rows = finish(
        tmp_path,
        answer("😀 Jeff", ("person", 2, 6), id="x7"),
        answer("", line=2, id=7, lost=3),
        bad_line(Line("f", 3, b"", id={"a": [1]}), "bad"),
    )
    entity = {
        "label": "person",
        "start": 2,
        "end": 6,
        "word_start": 0,
        "word_end": 1,
        "text": "Jeff",
        "score": 0.5,
    }
    empty = {"id": None, "text": None, "entities": None, "lost_words": None, "error": None}
    assert rows == [
        empty | {"line": 1, "id": "x7", "text": "😀 Jeff", "entities": [entity], "lost_words": 0},
        empty | {"line": 2, "id": "7", "text": "", "entities": [], "lost_words": 3},
        empty | {"line": 3, "id": '{"a": [1]}', "error": "bad"},
    ]


def test_several_files_are_named(tmp_path):
    rows = finish(tmp_path, answer("a", several=True), bad_line(Line("g\udcff", 2, b""), "bad", several=True))
    assert [(row["file"], row["line"]) for row in rows] == [("f", 1), ("g\\udcff", 2)]


def test_no_answer_at_all_is_a_table_without_rows(tmp_path):
    assert finish(tmp_path) == []
    assert pq.read_schema(tmp_path / "out.parquet").names == [
        "line",
        "id",
        "text",
        "entities",
        "lost_words",
        "error",
    ]


def test_the_same_answers_give_the_same_bytes_in_bounded_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "BATCH_ROWS", 10)
    monkeypatch.setattr(parquet_file, "GROUP_ROWS", 30)
    answers = [answer(f"text {n} " * 50, ("person", 0, 4), line=n) for n in range(1, 101)]
    rows = finish(tmp_path, *answers)
    written = (tmp_path / "out.parquet").read_bytes()
    assert finish(tmp_path, *answers) == rows
    assert (tmp_path / "out.parquet").read_bytes() == written
    file = pq.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [30, 30, 30, 10]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    monkeypatch.setattr(parquet_file, "BATCH_BYTES", 2000)
    monkeypatch.setattr(parquet_file, "GROUP_BYTES", 5000)
    assert finish(tmp_path, *answers) == rows
    assert pq.ParquetFile(tmp_path / "out.parquet").num_row_groups == 9


def test_half_a_surrogate_pair_is_a_bad_line():
    with pytest.raises(InputError) as caught:
        answer("a \ud83d b")
    assert str(caught.value) == "Parquet cannot hold half a surrogate pair, U+D83D; write JSONL instead"


def test_an_id_with_half_a_surrogate_pair_is_escaped(tmp_path):
    assert [row["id"] for row in finish(tmp_path, answer("a", id="\ud83d"))] == ["\\ud83d"]


def test_what_cannot_be_finished(tmp_path):
    part = tmp_path / "out.part"
    part.write_text(answer("a") + '{"line": 2, "te')
    with pytest.raises(RunError, match=r"out\.part:2: not an answer that was written"):
        finish_parquet(part, tmp_path / "out.parquet")
    part.write_text(answer("a"))
    with pytest.raises(RunError, match="cannot be written: No such file or directory"):
        finish_parquet(part, tmp_path / "none" / "out.parquet")
    if Path("/dev/full").exists():
        with pytest.raises(RunError, match="/dev/full: cannot be written: No space left on device"):
            finish_parquet(part, Path("/dev/full"))
    assert list(tmp_path.iterdir()) == [part]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5), st.data())
def test_what_was_written_is_read_back(tmp_path, texts, data):
    answers, spans = [], []
    for number, text in enumerate(texts, 1):
        places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4, unique=True)))
        spans.append([("x", *pair) for pair in zip(places[::2], places[1::2], strict=False)])
        answers.append(answer(text, *spans[-1], line=number, id=number))
    rows = finish(tmp_path, *answers)
    for row, text, expected in zip(rows, texts, spans, strict=True):
        assert [(e["label"], e["start"], e["end"]) for e in row["entities"]] == expected
        assert all(text[e["start"] : e["end"]] == e["text"] for e in row["entities"])
    lines = list(read_file(tmp_path / "out.parquet"))
    assert [(line.id, line.text) for line in lines] == [(str(n), text) for n, text in enumerate(texts, 1)]


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch, tmp_path):
    from tagwright.errors import MissingExtraError

    def missing(module, extra):
        raise MissingExtraError(f"{module} is not installed", mend=f"pip install 'tagwright[{extra}]'")

    monkeypatch.setattr(parquet_in, "require", missing)
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"pip install 'tagwright\[parquet\]'"):
        check_file(tmp_path / "f.parquet")
