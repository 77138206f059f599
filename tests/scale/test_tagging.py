"""What becomes of rows: the entities of `predict`, whatever the fragments; nothing lost, the same bytes twice."""

import gzip
import io
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError, RunError
from tagwright.predict.tagger import Tagger
from tagwright.scale.fragment import Fragment, Job
from tagwright.scale.places import Place
from tagwright.scale.plan import make_plan
from tagwright.scale.tagging import tag_fragment
from tests.models import TEXT, tiny_bundle
from tests.scale.whole import annotate, pa, pq, predicted

WORDS = TEXT.split()
TEXTS = [" ".join(WORDS[number % 30 : number % 30 + number % 5]) for number in range(2600)]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(tiny_bundle(tmp_path_factory.mktemp("bundle") / "run"), precision="fp32", device="cpu")


def write(folder, kind):
    """The texts in a file; every 100th is bad."""
    path = folder / f"corpus.{kind}"
    if kind == "txt":
        path.write_bytes(
            b"".join(b"\xff\n" if row % 100 == 7 else text.encode() + b"\n" for row, text in enumerate(TEXTS))
        )
    elif kind == "jsonl":
        lines = [
            "{" if row % 100 == 7 else json.dumps({"id": row, "text": text, "n": {"a": [row]}})
            for row, text in enumerate(TEXTS)
        ]
        path.write_text("\n".join(lines))  # the last line has no break
    elif kind == "conll":
        path.write_bytes(b"".join(_sentence(row, text) for row, text in enumerate(TEXTS)))
    else:
        texts = [None if row % 100 == 7 else text for row, text in enumerate(TEXTS)]
        pq.write_table(pa.table({"id": range(len(texts)), "text": texts}), path, row_group_size=900)
    return path


def _sentence(row, text):
    """A sentence of CoNLL; what stands before it and how it ends varies."""
    words = text.split() or ["it"]
    before = b"-DOCSTART- O\n\n" if row % 300 == 0 else b"# id = %d\n" % row if row % 7 == 0 else b""
    lines = b"".join(
        b"\xff O\n" if row % 100 == 7 and not number else f"{word} O\n".encode()
        for number, word in enumerate(words)
    )
    return before + lines + (b" \n\n\r\n" if row % 11 == 0 else b"\n")


@pytest.mark.parametrize("kind", ["txt", "jsonl", "conll", "parquet"])
def test_entities_are_those_of_predict_whatever_the_fragments(tagger, tmp_path, kind):
    path = write(tmp_path, kind)
    answers, bad = predicted(tagger, path)
    for rows in (1024, 1 << 20):
        done = annotate(tagger, path, rows=rows)
        assert [row["entities"] for row in done.rows] == [answer["entities"] for answer in answers]
        texts = [row["text"] if "text" in row else " ".join(row["tokens"]) for row in done.rows]
        assert texts == [answer["text"] for answer in answers]
        assert done.rejects == bad
        assert len(done.files) == (3 if rows == 1024 else 1)
        assert (done.total("rows"), done.total("rejected")) == (2600, 26)
        assert done.total("entities") == sum(len(answer["entities"]) for answer in answers)
        assert done.counts[0].first_reject.startswith(f"{path}:{bad[0]['line']}: ")


@pytest.mark.parametrize("kind", ["txt", "jsonl", "conll", "parquet"])
def test_long_texts_end_chunks_where_predict_ends_them(tagger, tmp_path, monkeypatch, kind):
    """Scores tell: in other company a text's scores differ in their last digits."""
    monkeypatch.setattr("tagwright.predict.chunks.CHUNK_CHARACTERS", 9_000)
    path = write(tmp_path, kind)
    answers, _ = predicted(tagger, path)
    for rows in (1024, 1 << 20):
        found = [row["entities"] for row in annotate(tagger, path, rows=rows).rows]
        assert found == [answer["entities"] for answer in answers]


def test_the_same_bytes_twice(tagger, tmp_path):
    path = write(tmp_path, "jsonl")
    for form in ("parquet", "jsonl"):
        first = annotate(tagger, path, form=form)
        assert annotate(tagger, path, form=form).files == first.files


def test_columns_of_lines_of_text(tagger, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfJeff Bezos left\r\n\nhere")
    done = annotate(tagger, tmp_path / "a.txt")
    assert done.table.schema.names == ["line", "text", "entities"]
    assert [(row["line"], row["text"]) for row in done.rows] == [(1, "Jeff Bezos left"), (2, ""), (3, "here")]
    kept = annotate(tagger, tmp_path / "a.txt", columns=("line",), into="found")
    assert kept.table.schema.names == ["line", "found"]
    plain = annotate(tagger, tmp_path / "a.txt", form="jsonl", columns=("text",))
    assert [list(row) for row in plain.rows] == [["text", "entities"]] * 3


def test_json_lines_stay_what_they_are_in_json_lines(tagger, tmp_path):
    record = {"text": "Jeff left", "a.b": 1, 'q"': [1, "x", None], "big": 1 << 70, "half": "\ud83d", "f": 1.5}
    (tmp_path / "a.jsonl").write_text(
        json.dumps(record) + '\n\n{"text": "x", "nan": NaN, "id": {"deep": []}}\n'
    )
    done = annotate(tagger, tmp_path / "a.jsonl", form="jsonl")
    assert [{key: value for key, value in row.items() if key != "entities"} for row in done.rows] == [
        record,
        {"text": "x", "nan": None, "id": {"deep": []}},
    ]
    assert done.plan.notices == []


def test_json_lines_become_columns_without_loss(tagger, tmp_path):
    records = [
        {
            "text": "a",
            "n": 1,
            "m": 1,
            "b": True,
            "s": {"x": [1]},
            "l": [],
            "o": {},
            "big": 1 << 62,
            "z": None,
        },
        {
            "text": "b",
            "n": 2.5,
            "m": "two",
            "s": {"y": "2"},
            "l": ["w"],
            "big": 1.5,
            "deep": {"a": [1, {"b": "c"}]},
        },
        {"words": ["c", "d"], "text.x": 'q"'},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = annotate(tagger, tmp_path / "a.jsonl")
    kinds = {field.name: str(field.type) for field in done.table.schema}
    assert (kinds["n"], kinds["b"], kinds["l"], kinds["z"]) == (
        "double",
        "bool",
        "list<element: string>",
        "string",
    )
    assert kinds["s"] == "struct<x: list<element: int64>, y: string>"
    assert kinds["m"] == kinds["o"] == kinds["big"] == "string"
    one, two, three = done.rows
    assert (one["m"], two["m"], three["m"]) == ("1", '"two"', None)
    assert (one["big"], two["big"], one["o"]) == (str(1 << 62), "1.5", "{}")
    assert (one["s"], two["s"]) == ({"x": [1], "y": None}, {"x": None, "y": "2"})
    assert two["deep"] == {"a": '[1, {"b": "c"}]'}
    assert (three["words"], three["text"], three["text.x"]) == (["c", "d"], None, 'q"')
    [notice] = done.plan.notices
    assert all(repr(name) in notice for name in ("m", "o", "big", "deep.a"))


def test_half_a_surrogate_pair_is_a_reject_of_parquet_alone(tagger, tmp_path):
    lines = [
        '{"text": "\\ud83d"}',
        '{"text": "a", "x": "\\ud83d"}',
        '{"text": "b", "\\ud83d": 1}',
        '{"text": "c"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    done = annotate(tagger, tmp_path / "a.jsonl")
    assert [row["text"] for row in done.rows] == ["c"]
    assert [(bad["line"], bad["input"]) for bad in done.rejects] == list(enumerate(lines[:3], 1))
    assert all("Parquet cannot hold" in bad["error"] for bad in done.rejects)
    assert annotate(tagger, tmp_path / "a.jsonl", form="jsonl").total("written") == 4


def test_words_in_place_of_text(tagger, tmp_path):
    pq.write_table(pa.table({"tokens": [["Jeff", "Bezos"], None, []]}), tmp_path / "a.parquet")
    done = annotate(tagger, tmp_path / "a.parquet")
    assert [row["tokens"] for row in done.rows] == [["Jeff", "Bezos"], []]
    answers, bad = predicted(tagger, tmp_path / "a.parquet")
    assert [row["entities"] for row in done.rows] == [answer["entities"] for answer in answers]
    assert done.rejects == bad


def test_packed_files_are_one_fragment(tagger, tmp_path):
    plain = write(tmp_path, "jsonl")
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    done, whole = annotate(tagger, packed, rows=1024), annotate(tagger, plain)
    assert (len(done.files), done.rows) == (1, whole.rows)
    few = annotate(tagger, packed, limit=1500).rows
    assert [row["text"] for row in few] == [row["text"] for row in whole.rows[: 1500 - 15]]
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(RunError, match="damaged or ends early"):
        annotate(tagger, packed)


def test_cut_words_are_counted_in_a_column(tmp_path):
    cutting = Tagger.load(
        tiny_bundle(tmp_path / "run", on_overflow="truncate"), precision="fp32", device="cpu"
    )
    (tmp_path / "a.jsonl").write_text('{"text": "%s", "lost_words": 1}\n{"text": "Bezos"}\n' % ("the " * 100))
    done = annotate(cutting, tmp_path / "a.jsonl")
    assert [(row["lost_words"], row["entities_lost_words"]) for row in done.rows] == [(1, 38), (None, 0)]
    assert done.total("lost_words") == 38
    plain = annotate(cutting, tmp_path / "a.jsonl", form="jsonl")
    assert [row.get("entities_lost_words") for row in plain.rows] == [38, None]


def test_a_text_that_is_too_long_is_rejected_where_that_is_an_error(tmp_path):
    strict = Tagger.load(tiny_bundle(tmp_path / "run", on_overflow="error"), precision="fp32", device="cpu")
    (tmp_path / "a.txt").write_text("Jeff\n" + "the " * 100 + "\nBezos\n")
    done = annotate(strict, tmp_path / "a.txt")
    assert ([row["line"] for row in done.rows], [bad["line"] for bad in done.rejects]) == ([1, 3], [2])


def test_after_each_chunk_the_caller_is_asked(tagger, tmp_path):
    path = write(tmp_path, "txt")
    plan = make_plan(Place.of(path), Job(str(path)), fragment_rows=1 << 20)
    job, asked = replace(Job(str(path)), schema=plan.schema), []

    def alive():
        asked.append(1)
        if len(asked) == 2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        tag_fragment(tagger, plan.fragments[0], job, Place.of(path), io.BytesIO(), io.BytesIO(), alive=alive)
    assert len(asked) == 2


@pytest.mark.parametrize("kind", ["txt", "jsonl", "conll", "parquet"])
def test_a_file_that_changes_under_the_run_is_told(tagger, tmp_path, kind):
    path = write(tmp_path, kind)
    place = Place.of(path)
    plan = make_plan(place, Job(str(path)), fragment_rows=1024)
    job = replace(Job(str(path)), schema=plan.schema)
    if kind == "parquet":
        pq.write_table(pq.read_table(path).slice(0, 1500), path)
    else:
        path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b" \n"))
    with pytest.raises(InputError, match="has changed since the run was begun"):
        plan.check_unchanged(place)
    with pytest.raises(InputError, match="has changed since the run was planned"):
        tag_fragment(tagger, plan.fragments[1], job, place, io.BytesIO(), io.BytesIO())
    path.unlink()
    with pytest.raises(InputError):
        plan.check_unchanged(place)
    with pytest.raises(InputError):
        tag_fragment(
            tagger, Fragment(0, str(path), plan.files[0].kind), job, place, io.BytesIO(), io.BytesIO()
        )


PIECES = st.sampled_from(
    [
        b"",
        b" ",
        b"\r",
        b"\xff",
        b"\xef\xbb\xbf",
        b"[1]",
        b'{"text": 1}',
        b'{"text": "Jeff Bezos left", "n": 1}',
        b'{"text": "Jeff", "n": 2.5, "n": null}',
        b'{"tokens": ["a", "b"], "n": "x"}',
        b'{"text": "\\ud83d\\ude00 the", "o": {"k": [1, "2"]}}',
        b'{"n": 3}',
        b'{"text": NaN}',
        b'{"text": "x", "n": 1e999}',
    ]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(PIECES, max_size=12),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    last=st.booleans(),
    kind=st.sampled_from(["txt", "jsonl"]),
    form=st.sampled_from(["parquet", "jsonl"]),
)
def test_every_line_is_answered_or_rejected_as_predict_does(
    tagger, tmp_path, lines, ending, last, kind, form
):
    path = tmp_path / f"corpus.{kind}"
    if kind == "txt":
        lines = [b"the", *lines]  # which tells that what follows are no JSON lines
    path.write_bytes(ending.join(lines) + (ending if last else b""))
    answers, bad = predicted(tagger, path)
    if (
        kind == "jsonl"
        and not any(b'"text"' in line or b'"tokens"' in line for line in lines)
        and b'{"n": 3}' in lines
    ):
        with pytest.raises(InputError, match="no line has a key 'text'"):
            annotate(tagger, path, form=form, rows=1024)
        return
    done = annotate(tagger, path, form=form, rows=1024)
    assert done.rejects == bad
    assert [row["entities"] for row in done.rows] == [answer["entities"] for answer in answers]
    assert done.total("rows") == len(answers) + len(bad)
