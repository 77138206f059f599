"""Answers to output: what each format makes of them, and what reads it back."""

import io
import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from tagwright.data.conll import parse_conll
from tagwright.data.jsonl import read_jsonl
from tagwright.errors import InputError
from tagwright.predict.annotations import label_studio_config
from tagwright.predict.coloured import coloured_format
from tagwright.predict.files import predict_lines
from tagwright.predict.lines import Line
from tagwright.predict.readers import read_lines
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import TARGETS, bad_line, format_named
from tagwright.records import Entity, Prediction
from tests.models import TEXT, tiny_bundle

STRANGE = [
    "Ana 😀 met Bo in Oslo",
    "👨‍👩‍👧‍👦 Ana",
    "e\u0301 Ana n\u0303",  # combining marks
    "שלום Ana لندن",  # right to left
    "A\r\nB Ana\u2028x",
    "𝔸𝕟𝕒",
]


def predicted(text, *spans, words=(), scores=()):
    """The answer to a text: spans are (label, start, end)."""
    entities = [Entity(label, start, end, 0, 1, text[start:end], 0.98765) for label, start, end in spans]
    return Prediction(words, [], [], ["O"] * len(words), scores, entities)


def spans_of(text):
    """Every run of letters as an entity."""
    return [(f"type{len(found[0]) % 2}", *found.span()) for found in re.finditer(r"\w+", text)]


def answer(target, text, *spans, line=1, name=None, several=False, **options):
    form = format_named(target, several=several, model="run")
    return form.render(Line("f", line, b"", id=name), text, predicted(text, *spans, **options))


def whole(target, *answers):
    form = format_named(target)
    return form.begin + form.between.join(answers) + form.end


def test_formats_by_name():
    forms = {target: format_named(target) for target in TARGETS}
    assert {name: form.ending for name, form in forms.items()} == {
        "jsonl": ".jsonl",
        "conll": ".conll",
        "parquet": ".parquet",
        "label-studio": ".json",
        "doccano": ".jsonl",
        "text": ".txt",
    }
    assert [name for name, form in forms.items() if form.takes_errors] == ["jsonl", "parquet"]
    with pytest.raises(
        InputError, match="there is no format 'xml'; name one of jsonl, conll, parquet, label"
    ):
        format_named("xml")


def test_the_rejects_say_that_a_line_was_cut():
    record = json.loads(bad_line(Line("f", 7, b"\xffab", cut=True), "too long", whole=True))
    assert record == {"line": 7, "error": "too long", "input": "\\xffab", "input_is_cut": True}


# Label Studio


def test_a_task_of_label_studio():
    text = "😀 Ana met Bo"
    found = answer(
        "label-studio", text, ("person", 2, 5), ("person", 10, 12), line=7, name="x", scores=[0.9, 0.71239]
    )
    task = json.loads(found)
    assert task["data"] == {"text": text, "line": 7, "id": "x"}
    [prediction] = task["predictions"]
    first, second = prediction.pop("result")
    assert prediction == {"model_version": "run", "score": 0.7124}
    assert re.fullmatch("[0-9a-f]{10}", first.pop("id"))
    assert first == {
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": 2, "end": 5, "text": "Ana", "labels": ["person"]},
        "score": 0.9877,
    }
    assert second["value"] == {"start": 10, "end": 12, "text": "Bo", "labels": ["person"]}


@pytest.mark.parametrize("text", STRANGE)
def test_label_studio_counts_code_points(text):
    results = json.loads(answer("label-studio", text, *spans_of(text)))["predictions"][0]["result"]
    assert [
        (value["labels"][0], value["start"], value["end"]) for value in (r["value"] for r in results)
    ] == spans_of(text)
    for result in results:
        value = result["value"]
        assert text[value["start"] : value["end"]] == value["text"]
    assert len({result["id"] for result in results}) == len(results)


def test_ids_depend_on_the_text_and_the_span_alone():
    def ids(text, *spans, **options):
        return [
            r["id"]
            for r in json.loads(answer("label-studio", text, *spans, **options))["predictions"][0]["result"]
        ]

    first = ids("Ana Bo", ("x", 0, 3), ("x", 4, 6))
    assert ids("Ana Bo", ("x", 4, 6), line=9, name=3, scores=[0.1]) == first[1:]
    assert ids("Ana Bo", ("y", 4, 6)) != first[1:]
    assert ids("Ana BO", ("x", 4, 6)) != first[1:]


@pytest.mark.parametrize("size", [0, 1, 3])
def test_the_file_of_label_studio_is_one_array(size):
    answers = [
        answer("label-studio", TEXT, *spans_of(TEXT), line=n, several=True) for n in range(1, size + 1)
    ]
    tasks = json.loads(whole("label-studio", *answers))
    assert [task["data"]["line"] for task in tasks] == list(range(1, size + 1))
    assert all(task["data"]["file"] == "f" for task in tasks)
    assert [line[:1] for line in whole("label-studio", *answers).splitlines() if line] == [
        "[",
        *"{" * size,
        "]",
    ]


def test_the_configuration_of_label_studio_names_what_the_tasks_do():
    config = ElementTree.fromstring(label_studio_config(["person", 'a "b" <c> & d']))
    labels = config.find("Labels")
    assert labels.attrib == {"name": "label", "toName": "text"}
    assert [label.get("value") for label in labels] == ["person", 'a "b" <c> & d']
    assert config.find("Text").attrib == {"name": "text", "value": "$text"}


# doccano


@pytest.mark.parametrize("text", STRANGE)
def test_doccano_counts_utf_16_units(text):
    found = answer("doccano", text, *spans_of(text), line=3, name=9)
    assert found.isascii()
    assert found.endswith("}\n")
    record = json.loads(found)
    assert record["text"] == text
    assert record["meta"] == {"line": 3, "id": 9}
    units = text.encode("utf-16-le")
    for (start, end, label), (expected, begin, stop) in zip(record["label"], spans_of(text), strict=True):
        assert units[2 * start : 2 * end].decode("utf-16-le") == text[begin:stop]
        assert label == expected


@pytest.mark.parametrize(
    ("target", "text", "message"),
    [
        ("doccano", "", "doccano takes no empty text"),
        ("doccano", "a\0b", "doccano cannot store the character U+0000; write JSONL instead"),
        ("doccano", "a\ud800", "doccano cannot store the character U+D800; write JSONL instead"),
        ("label-studio", "a\0b", "Label Studio cannot store the character U+0000; write JSONL instead"),
        ("label-studio", "a\udc00", "Label Studio cannot store the character U+DC00; write JSONL instead"),
    ],
)
def test_texts_that_annotation_tools_cannot_hold(target, text, message):
    with pytest.raises(InputError) as caught:
        answer(target, text)
    assert str(caught.value) == message


# What is read back

PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@st.composite
def tagged_words(draw):
    word = st.one_of(
        st.sampled_from(
            ["#", "# id = 1", "#tag", "-DOCSTART-", "\ufeff", "a b", "\u00a0", "😀", "\x85", "-"]
        ),
        st.text(max_size=4),
    )
    words = draw(st.lists(word, min_size=1, max_size=5))
    return words, draw(
        st.lists(st.sampled_from(["O", "B-x", "I-x"]), min_size=len(words), max_size=len(words))
    )


@given(st.lists(tagged_words(), max_size=4))
def test_conll_that_was_written_is_read_back(sentences):
    form = format_named("conll")
    parts, kept, refused = [], [], []
    for words, tags in sentences:
        prediction = Prediction(words, [], [], tags, [], [])
        try:
            parts.append(form.render(Line("f", 1, b""), "", prediction))
        except InputError as error:
            refused.append(str(error))
        else:
            kept.append((words, tags))
    assert all(re.fullmatch("CoNLL cannot hold the word .*; write JSONL instead", text) for text in refused)
    text = "".join(parts)
    lines = list(read_lines(io.BytesIO(text.encode()), "f", "conll"))
    assert [line.words for line in lines] == [words for words, _ in kept]
    if kept:
        rows = parse_conll(text, "f")
        assert list(map(list, rows.sequences(rows.words))) == [words for words, _ in kept]
        assert list(map(list, rows.sequences(rows.tags))) == [tags for _, tags in kept]


@given(PLAIN)
def test_json_lines_that_were_written_are_read_back(text):
    out = answer("jsonl", text, *spans_of(text), name=["x", 1])
    [line] = read_lines(io.BytesIO(out.encode("utf-8", "surrogatepass")), "f", "jsonl")
    assert (line.text, line.id) == (text, ["x", 1])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.sampled_from("aé שل\u0301-'#\r\n"), min_size=1, max_size=30),
    st.sampled_from(["jsonl", "doccano"]),
)
def test_answers_are_data_to_train_on(tmp_path, text, target):
    def split(text):
        places = [found.span() for found in re.finditer(r"\w+", text)]
        return [text[a:b] for a, b in places], [a for a, _ in places], [b for _, b in places]

    spans = spans_of(text)
    if not spans:
        return
    path = tmp_path / "f.jsonl"
    path.write_text(answer(target, text, *spans), encoding="utf-8")
    rows = read_jsonl(path, split=split)
    assert rows.tags == [f"B-{label}" for label, _, _ in spans]


# On a bundle, and on a terminal


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(
        tiny_bundle(tmp_path_factory.mktemp("writers") / "run"), precision="fp32", device="cpu"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_every_format_tells_the_same_entities(tagger, target):
    texts = [TEXT, f"😀 {TEXT}", "e\u0301 שלום Ana"]
    data = "\n".join(texts).encode()
    form = format_named(target, types=tagger.labels.types)
    parts = []
    out = io.BytesIO()
    predict_lines(tagger, read_lines(io.BytesIO(data), "f", "text"), out, form=form)
    out = out.getvalue().decode()
    expected = [[(e.label, e.text) for e in entities] for entities in tagger(texts)]
    if target in ("jsonl", "parquet"):
        parts = [[(e["label"], e["text"]) for e in json.loads(line)["entities"]] for line in out.splitlines()]
    elif target == "label-studio":
        tasks = json.loads(out if out.endswith(form.end) else out + form.end)
        for task in tasks:
            values = [result["value"] for result in task["predictions"][0]["result"]]
            parts.append([(v["labels"][0], task["data"]["text"][v["start"] : v["end"]]) for v in values])
    elif target == "doccano":
        for line in out.splitlines():
            record = json.loads(line)
            units = record["text"].encode("utf-16-le")
            parts.append(
                [(label, units[2 * a : 2 * b].decode("utf-16-le")) for a, b, label in record["label"]]
            )
    elif target == "text":
        for marked, entities in zip(out.splitlines(), expected, strict=True):
            assert all(f"[{text}]({label})" in marked for label, text in entities)
        return
    else:
        rows = parse_conll(out, "f")
        assert rows.tags == [tag for prediction in tagger.predict(texts) for tag in prediction.tags]
        return
    assert parts == expected


def test_colours_on_a_terminal():
    text = "[red] Ana met Bo"
    prediction = predicted(text, ("person", 6, 9), ("place", 14, 16))
    line = Line("f", 1, b"")
    console = Console(force_terminal=True, color_system="standard", highlight=False, soft_wrap=True, width=20)
    form = coloured_format(["person", "place"], console)
    shown = form.render(line, text, prediction)
    assert shown == (
        "[red] \x1b[1;36mAna\x1b[0m\x1b[2;36m person\x1b[0m met \x1b[1;35mBo\x1b[0m\x1b[2;35m place\x1b[0m\n"
    )
    plain = coloured_format(["person"], Console(force_terminal=True, no_color=True))
    assert plain.render(line, text, prediction) == "[red] [Ana](person) met [Bo](place)\n"


def test_a_text_cannot_steer_the_terminal():
    text = "a\x1b]0;title\x07 b\x9b31m\x7f\nc\rd"
    form = coloured_format(["x"], Console(force_terminal=True, color_system="standard", soft_wrap=True))
    shown = form.render(Line("f", 1, b""), text, predicted(text, ("x", 0, 2)))
    assert "\u241b\x1b[0m" in shown
    assert shown.endswith("]0;title\u2407 b\ufffd31m\u2421\nc\u240dd\n")
