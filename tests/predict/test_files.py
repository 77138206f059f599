"""Lines in, lines out: formats, bad lines, chunks."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.predict.files import predict_lines
from tagwright.predict.readers import check_file, format_of, read_lines
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import format_named
from tests.models import TEXT, tiny_bundle


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(tiny_bundle(tmp_path_factory.mktemp("files") / "run"), precision="fp32", device="cpu")


def read(data, kind="text", **options):
    return list(read_lines(io.BytesIO(data), "f", kind, **options))


def predict(tagger, lines, target="jsonl", **options):
    out = io.BytesIO()
    summary = predict_lines(tagger, lines, out, form=format_named(target), **options)
    return out.getvalue().decode(), summary


# Readers


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"", []),
        (b"a\nb", ["a", "b"]),
        (b"a\r\n\nb\r\n", ["a", "", "b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("a\u2028b\x0bc\x85d\re\n".encode(), ["a\u2028b\x0bc\x85d\re"]),
        (b"\0\n", ["\0"]),
    ],
)
def test_lines_of_text(data, texts):
    lines = read(data)
    assert [line.text for line in lines] == texts
    assert [line.number for line in lines] == list(range(1, len(texts) + 1))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"text": "a b"}', {"text": "a b"}),
        (b'{"text": "a", "id": "x7", "tags": []}', {"text": "a", "id": "x7"}),
        (b'{"tokens": ["a", "b"], "ner_tags": [0, 0]}', {"words": ["a", "b"]}),
        (b'{"words": []}', {"words": []}),
        (b'{"text": 3}', {"error": "'text' is not a string"}),
        (b'{"text": null, "tokens": ["a"]}', {"error": "'text' is not a string"}),
        (b'{"tokens": [1]}', {"error": "'tokens' is not a list of strings"}),
        (b'{"text": "a", "id": NaN}', {"text": "a"}),
        (b'{"text": "a", "id": 1e999}', {"text": "a"}),
        (b'{"text": "a", "id": [-1e999, 1.5]}', {"text": "a", "id": [None, 1.5]}),
        (b"[]", {"error": "not a JSON object"}),
        (b"{", {"error": "not JSON: Expecting property name enclosed in double quotes at column 2"}),
        (b"[" * 100_000, {"error": "not JSON that can be read"}),
        (b'{"text": ' + b"9" * 5000 + b"}", {"error": "not JSON that can be read"}),
        (b'{"text": "\xff"}', {"error": "invalid UTF-8: byte 0xff at offset 10"}),
    ],
)
def test_json_lines(data, expected):
    [line] = read(data + b"\n", "jsonl")
    found = {name: getattr(line, name) for name in ("text", "words", "id", "error")}
    assert {name: value for name, value in found.items() if value is not None} == expected


def test_json_lines_with_a_field_and_blank_lines():
    lines = read(b'\n{"body": "a"}\n  \n{"body": "b"}\n', "jsonl", field="body")
    assert [(line.number, line.text) for line in lines] == [(2, "a"), (4, "b")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\tO\nb\tO\n\nc\tO\n", [(1, ["a", "b"]), (4, ["c"])]),
        (b"a O\nb O", [(1, ["a", "b"])]),
        (b"a\nb\n\n\t\n\nc\n", [(1, ["a", "b"]), (6, ["c"])]),
        (b"# id = 1\na\tO\n\n# a note\nb\tO\n", [(2, ["a"]), (5, ["b"])]),
        (b"#\tO\n#tag\tO\n", [(1, ["#", "#tag"])]),
        (b"# O\n#tag O\na O\n", [(1, ["#", "#tag", "a"])]),
        (b"#\na\n", [(1, ["#", "a"])]),
        (b"-DOCSTART- -X- O\n\na x O\n", [(3, ["a"])]),
        ("a\u00a0b\tO\r\n\ufe0f\tO\r\n".encode(), [(1, ["a\u00a0b", "\ufe0f"])]),
        (b"\n\n", []),
        (b"", []),
    ],
)
def test_conll_sentences(data, expected):
    assert [(line.number, line.words) for line in read(data, "conll")] == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\tO\n\xff\tO\nb\tO\n\nc\tO\n", "line 2: invalid UTF-8: byte 0xff at offset 0"),
        (b"a\tO\n\tO\nb\tO\n\nc\tO\n", "line 2: the word is empty"),
        (
            b"a\tO\rz\tO\n \xc2\xa0\tO\nb\tO\n\nc\tO\n",
            "line 1: a carriage return stands within the line; end lines with LF",
        ),
    ],
)
def test_a_bad_line_spoils_its_own_sentence_alone(data, message):
    bad, good = read(data, "conll")
    assert (bad.number, bad.words, bad.error) == (1, None, message)
    assert bad.raw.count(b"\n") == 2
    assert good.words == ["c"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "jsonl"),
        ("a.NDJSON", "jsonl"),
        ("a.conll", "conll"),
        ("a.txt", "text"),
        ("a", "text"),
        ("a.jsonl.gz", "jsonl"),
        ("a.conll.zst", "conll"),
        ("a.gz", "text"),
    ],
)
def test_the_ending_tells_the_format(name, kind):
    assert format_of(name) == kind


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "there is no such file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "the file is a PNG picture"),
        (b"BZh91AY", "the file is bzip2-compressed"),
        (b"\xff\xfea\0", "the file is UTF-16 text"),
        (b"\xfe\xed\0\0\xff\xff", "the file is binary"),
    ],
)
def test_files_that_are_no_text(tmp_path, data, message):
    if data is not None:
        (tmp_path / "f").write_bytes(data)
    with pytest.raises(InputError, match=message):
        check_file(tmp_path / "f")
    with pytest.raises(InputError, match="a folder stands where a file is wanted"):
        check_file(tmp_path)


def test_conll_u_is_refused_since_its_first_column_is_a_number():
    with pytest.raises(InputError, match=r"f\.conllu: CoNLL-U has its words in the second column"):
        check_file("f.conllu")


@pytest.mark.parametrize("data", [b"", b"a\0b", b"a\n\xff\n", b"x" * 8191 + "é".encode()])
def test_files_that_are_text_or_nearly(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    check_file(tmp_path / "f")


# Answers


def test_json_lines_out(tagger):
    data = (TEXT + "\n\n😀 Jeff\n").encode()
    out, summary = predict(tagger, read(data))
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["line"] for record in records] == [1, 2, 3]
    for record, text, entities in zip(
        records, [TEXT, "", "😀 Jeff"], tagger([TEXT, "", "😀 Jeff"]), strict=True
    ):
        assert set(record) == {"line", "text", "entities"}
        assert record["text"] == text
        assert len(record["entities"]) == len(entities)
        for found, entity in zip(record["entities"], entities, strict=True):
            assert text[found["start"] : found["end"]] == found["text"]
            assert found == entity.to_dict() | {"score": round(entity.score, 4)}
    assert (summary.lines, summary.bad, summary.lost_words) == (3, 0, 0)
    assert summary.words == len(tagger.predict([TEXT])[0].words) + 2
    assert summary.entities == sum(len(record["entities"]) for record in records)


def test_bad_lines_stand_in_their_place(tagger):
    out, summary = predict(tagger, read(b"a\n\xff\nb\n"))
    records = [json.loads(line) for line in out.splitlines()]
    assert records[1] == {"line": 2, "error": "invalid UTF-8: byte 0xff at offset 0"}
    assert [record["line"] for record in records] == [1, 2, 3]
    assert (summary.lines, summary.bad) == (3, 1)
    assert summary.first_bad == "f:2: invalid UTF-8: byte 0xff at offset 0"


def test_bad_lines_go_to_the_rejects(tagger):
    rejects = io.BytesIO()
    out, _ = predict(tagger, read(b"a\n\xffz\nb\n"), rejects=rejects)
    assert [json.loads(line)["line"] for line in out.splitlines()] == [1, 3]
    [record] = [json.loads(line) for line in rejects.getvalue().splitlines()]
    assert record == {"line": 2, "error": "invalid UTF-8: byte 0xff at offset 0", "input": "\\xffz"}


def test_conll_out_is_conll_in(tagger):
    data = b"Jeff\tO\nBezos\tO\n\n#\tO\n"
    out, _ = predict(tagger, read(data, "conll"), "conll")
    again = read(out.encode(), "conll")
    assert [line.words for line in again] == [["Jeff", "Bezos"], ["#"]]
    tags = [row.split("\t")[1] for row in out.splitlines() if row]
    assert tags == [*tagger.tag(["Jeff", "Bezos"]), *tagger.tag(["#"])]


@pytest.mark.parametrize("word", ["a\\tb", "a\\r", "\\ud800", "-DOCSTART-", "# id = 7", "\\ufeffa"])
def test_a_word_that_conll_cannot_hold_is_a_bad_line(tagger, word):
    lines = read(b'{"tokens": ["%s"]}\n{"tokens": ["c"]}\n' % word.encode(), "jsonl")
    out, summary = predict(tagger, lines, "conll")
    assert out.startswith("c\t")
    held = repr(json.loads(f'"{word}"'))
    assert summary.first_bad == f"f:1: CoNLL cannot hold the word {held}; write JSONL instead"


def test_marked_text_out(tagger):
    text = f"{TEXT} [left](x)"
    out, _ = predict(tagger, read(f"{text}\n\n".encode()), "text")
    [marked, blank] = out.removesuffix("\n").split("\n")
    assert blank == ""
    assert marked != text
    for entity in tagger([text, ""])[0]:
        assert f"[{entity.text}]({entity.label})" in marked
        marked = marked.replace(f"[{entity.text}]({entity.label})", entity.text, 1)
    assert marked == text


def test_half_a_surrogate_pair_leaves_as_it_came(tagger):
    out, _ = predict(tagger, read(b'{"text": "\\ud800 Jeff"}\n', "jsonl"))
    assert json.loads(out)["text"] == "\ud800 Jeff"


def test_long_text_where_that_is_an_error_is_a_bad_line(tmp_path):
    refusing = Tagger.load(tiny_bundle(tmp_path / "run", on_overflow="error"), precision="fp32", device="cpu")
    data = b"Jeff\n" + b"the " * 100 + b"\nBezos\n"
    out, summary = predict(refusing, read(data))
    records = [json.loads(line) for line in out.splitlines()]
    assert "102 pieces are more than a window of 64 holds" in records[1]["error"]
    assert [record.get("text") for record in records] == ["Jeff", None, "Bezos"]
    assert summary.bad == 1


def test_words_that_were_cut_are_counted(tmp_path):
    cutting = Tagger.load(
        tiny_bundle(tmp_path / "run", on_overflow="truncate"), precision="fp32", device="cpu"
    )
    out, summary = predict(cutting, read(b"the " * 100 + b"\nBezos\n"))
    assert [json.loads(line).get("lost_words") for line in out.splitlines()] == [38, None]
    assert summary.lost_words == 38


def test_the_same_lines_twice_give_the_same_bytes(tagger):
    data = "\n".join(TEXT[start:] for start in range(100)).encode()
    for chunk in (1, 7, 1024):
        assert predict(tagger, read(data), chunk=chunk) == predict(tagger, read(data), chunk=chunk)


def test_chunks_change_no_entity(tagger):
    data = "\n".join(TEXT[start:] for start in range(100)).encode()

    def spans(chunk):
        out, _ = predict(tagger, read(data), chunk=chunk)
        records = [json.loads(line) for line in out.splitlines()]
        return [[(e["label"], e["start"], e["end"]) for e in record["entities"]] for record in records]

    assert spans(1) == spans(7) == spans(1024)


def test_no_more_than_a_chunk_is_read_ahead(tagger):
    class Out(io.BytesIO):
        lines = 0

        def write(self, data):
            self.lines += data.count(b"\n")
            return super().write(data)

    out, ahead = Out(), []

    def source():
        for number in range(200):
            ahead.append(number - out.lines)
            yield b"x" * 10_000 + b"\n" if number < 150 else b"Jeff\n"

    predict_lines(tagger, read_lines(source(), "f", "text"), out, form=format_named("jsonl"), chunk=110)
    assert out.lines == 200
    assert max(ahead) == 104  # 1 MiB is 105 such lines


def test_an_interrupt_leaves_whole_lines(tagger):
    def source():
        yield from [b"Jeff\n"] * 5
        raise KeyboardInterrupt

    out = io.BytesIO()
    with pytest.raises(KeyboardInterrupt, match="stopped after 4 lines"):
        predict_lines(tagger, read_lines(source(), "f", "text"), out, form=format_named("jsonl"), chunk=2)
    assert [json.loads(line)["line"] for line in out.getvalue().splitlines()] == [1, 2, 3, 4]


LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b"\xff", TEXT.encode(), b"the " * 90, "😀 Jeff\u2028Bezos".encode()]),
        st.text(alphabet="Jeff Bezos😀.\t", max_size=40).map(str.encode),
    ),
    max_size=16,
)


def entities(out):
    """The answers without what stands beside them in a batch: places and types, no scores."""
    found = {}
    for line in out.split("\n")[:-1]:  # not splitlines, which cuts at U+2028
        record = json.loads(line)
        places = [[e["label"], e["start"], e["end"], e["text"]] for e in record.get("entities", [])]
        found[record["line"]] = (record.get("text"), places, record.get("error"))
    return found


@settings(max_examples=12, deadline=None, derandomize=True)
@given(rows=LINES, cut=st.integers(0, 16), chunks=st.tuples(st.integers(2, 20), st.integers(2, 20)))
def test_chunks_halves_and_threads_change_no_answer(tagger, rows, cut, chunks):
    """The tiny model's scores are far apart; near-ties of trained ones are counted elsewhere."""
    rows = [row.replace(b"\n", b" ") for row in rows]
    whole, _ = predict(tagger, read(b"".join(row + b"\n" for row in rows)), chunk=chunks[0])
    other, _ = predict(tagger, read(b"".join(row + b"\n" for row in rows)), chunk=chunks[1])
    assert entities(whole) == entities(other)
    beside, _ = predict(tagger, read(b"".join(row + b"\n" for row in rows)), chunk=chunks[0], overlap=True)
    assert beside == whole
    halves = [b"".join(row + b"\n" for row in half) for half in (rows[:cut], rows[cut:])]
    first, second = (entities(predict(tagger, read(half), chunk=chunks[0])[0]) for half in halves)
    joined = first | {number + len(rows[:cut]): answer for number, answer in second.items()}
    assert joined == entities(whole)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rows=LINES, seed=st.randoms(use_true_random=False))
def test_order_changes_no_answer(tagger, rows, seed):
    rows = [row.replace(b"\n", b" ") for row in rows]
    order = list(range(len(rows)))
    seed.shuffle(order)
    plain = entities(predict(tagger, read(b"".join(row + b"\n" for row in rows)))[0])
    mixed = entities(predict(tagger, read(b"".join(rows[place] + b"\n" for place in order)))[0])
    assert mixed == {number: plain[place + 1] for number, place in enumerate(order, 1)}
