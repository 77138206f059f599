"""Where the sentences of CoNLL files begin: as `predict` reads them, whatever stands between them."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.predict.conll_lines import conll_columns, read_sentences
from tagwright.predict.rawlines import raw_lines
from tagwright.predict.tagger import Tagger
from tagwright.scale.cutting import cut
from tagwright.scale.fragment import Job
from tagwright.scale.inputs import InputFile
from tagwright.scale.places import Place
from tagwright.scale.plan import make_plan
from tagwright.scale.sentences import find_sentences, read_fragment
from tests.models import tiny_bundle
from tests.scale.whole import annotate, pa, predicted

LINES = st.sampled_from(
    [
        *[b"", b" ", b"\t", b" \t ", b"\r", b" \r", b"\r\r", b"\r ", b"\xef\xbb\xbf", b"\xff", b"\xff\tO"],
        *[b"Jeff\tB-person", b"Jeff B-person", b"Jeff", b" Jeff O", b"\tO", b"-x- O", b"x" * 30, b" " * 30],
        *[b"#", b"# ", b"# a b", b"# id = 7", b"# newdoc", b"# newdoc id = \xff", b"#tag O", b"# O", b"#\tO"],
        *[b"-DOCSTART-", b"-DOCSTART- O", b" -DOCSTART- O", b"-DOCSTART-\tO", b"# id = " + b"7" * 30],
    ]
)
FILES = st.builds(
    lambda lines, ending, last: ending.join(lines) + (ending if last else b""),
    st.lists(LINES, max_size=25),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)


@settings(max_examples=400)
@given(data=FILES, step=st.integers(1, 4), block=st.integers(1, 20))
def test_sentences_are_counted_as_they_are_read(data, step, block):
    columns = conll_columns(io.BytesIO(data))
    read = list(read_sentences(raw_lines(io.BytesIO(data), longest=25), "x", columns=columns, longest=25))
    found = find_sentences(io.BufferedReader(io.BytesIO(data)), columns, step, longest=25, block=block)
    assert (found.rows, found.end, found.whole) == (len(read), len(data), True)
    assert found.firsts[1:] == [line.number for line in read[step::step]]
    places = [0, *(place + 1 for place, byte in enumerate(data) if byte == 10)]
    assert found.begins == [places[number - 1] for number in found.firsts]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=FILES, step=st.integers(1, 4), most=st.sampled_from([None, 1, 5]))
def test_fragments_hold_the_sentences_of_the_whole(tmp_path, data, step, most):
    path = tmp_path / "a.conll"
    path.write_bytes(data)
    whole = list(read_sentences(raw_lines(io.BytesIO(data)), str(path)))
    columns = conll_columns(io.BytesIO(data))
    found = find_sentences(io.BufferedReader(io.BytesIO(data)), columns, step, most=most, block=8)
    fragments = cut([(InputFile(str(path), "conll", len(data), 0), found)], step)
    place = Place.of(path)
    assert [line for one in fragments for line in read_fragment(one, place)] == whole[: found.rows]
    assert (found.rows or 0) >= min(len(whole), most or len(whole))
    assert all(one.first % step == 0 for one in fragments)


# What becomes of them


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(tiny_bundle(tmp_path_factory.mktemp("bundle") / "run"), precision="fp32", device="cpu")


def test_columns(tagger, tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(
        "# id = 7\n-DOCSTART- -X- O\n\nJeff NNP B-person\nBezos NNP I-person\n\n\nleft\tVBD\tO\nnow\n\n#x y O\n"
    )
    done = annotate(tagger, path)
    assert [str(field.type) for field in done.table.schema][:3] == [
        "int64",
        "list<element: string>",
        "list<element: string>",
    ]
    assert [[row[name] for name in ("line", "tokens", "tags")] for row in done.rows] == [
        [4, ["Jeff", "Bezos"], ["B-person", "I-person"]],
        [8, ["left", "now"], None],
        [11, ["#x"], ["O"]],
    ]
    plain = annotate(tagger, path, form="jsonl").rows
    assert [list(row) for row in plain] == [["line", "tokens", "tags", "entities"]] * 3
    assert plain == done.rows
    assert [list(row) for row in annotate(tagger, path, columns=("tokens",)).rows[:1]] == [
        ["tokens", "entities"]
    ]
    few = annotate(tagger, path, where="list_contains(tags, 'B-person') or line = 11", columns=("line",))
    assert [row["line"] for row in few.rows] == [4, 11]
    with pytest.raises(InputError, match="has a column 'tags' already"):
        annotate(tagger, path, into="tags")


def test_words_without_tags(tagger, tmp_path):
    (tmp_path / "a.conll").write_text("Jeff\nBezos\n\nleft\n")
    done = annotate(tagger, tmp_path)
    assert done.table.schema.names == ["line", "tokens", "entities"]
    (tmp_path / "b.conll").write_text("Jeff B-person\n")
    both = annotate(tagger, tmp_path)
    assert [row["tags"] for row in both.rows] == [None, None, ["B-person"]]
    assert both.plan.notices == [f"'tags' is null where a file has none: {tmp_path}/a.conll"]
    (tmp_path / "b.conll").write_text("# nothing\n\n \n")
    assert annotate(tagger, tmp_path / "b.conll").table.schema.names == ["line", "tokens", "entities"]


def test_limits_and_packed_files(tagger, tmp_path):
    data = b"".join(b"# id = %d\nJeff B-person\nleft O\n\n" % number for number in range(2100))
    (tmp_path / "a.conll").write_bytes(data)
    (tmp_path / "b.conll.gz").write_bytes(gzip.compress(data))

    def plan(name, **kwargs):
        job = Job(str(tmp_path / name), where=kwargs.pop("where", None))
        return make_plan(Place.of(tmp_path / name), job, fragment_rows=1024, **kwargs).fragments

    assert [(one.first, one.rows, one.line, one.take) for one in plan("a.conll")] == [
        (0, 1024, 1, None),
        (1024, 1024, 1024 * 4 + 2, None),
        (2048, 52, 2048 * 4 + 2, None),
    ]
    assert [one.take for one in plan("a.conll", limit=1100)] == [None, 76]
    assert [one.take for one in plan("a.conll", limit=20, where="line > 4200")] == [None, 20]
    assert [(one.rows, one.take) for one in plan("b.conll.gz", limit=30)] == [(None, 30)]
    few = annotate(tagger, tmp_path / "b.conll.gz", limit=30)
    assert (len(few.rows), few.rows[-1]["line"], few.rows[0]["tags"]) == (30, 118, ["B-person", "O"])


@pytest.mark.real
def test_the_wnut17_folder_is_annotated_as_it_lies(tagger, wnut17):
    done = annotate(tagger, wnut17, rows=1024)
    files = [wnut17 / name for name in ("emerging.dev.conll", "emerging.test.annotated", "wnut17train.conll")]
    assert [Path(file.path).name for file in done.plan.files] == [file.name for file in files]
    assert [one.rows for one in done.plan.fragments] == [1009, 1024, 263, 1024, 1024, 1024, 322]
    answers, bad = predicted(tagger, *files, kind="conll")
    assert (bad, done.rejects) == ([], [])
    assert [row["entities"] for row in done.rows] == [answer["entities"] for answer in answers]
    assert [(row["line"], " ".join(row["tokens"])) for row in done.rows] == [
        (answer["line"], answer["text"]) for answer in answers
    ]
    mentions = sum(tag.startswith("B-") for row in done.rows for tag in row["tags"])
    assert mentions == 3890
    assert done.table.schema.field("tags").type == pa.list_(pa.field("element", pa.string()))
