"""Requests that are wrong: each gets its status, a sentence and the place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.services import LINES, folder_of, running

LONG = "k" * 5000


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny), max_texts=4, max_words=50, max_body=100_000) as service:
        yield service


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (b"", None, "body is empty"),
        (b" \n", None, "body is empty"),
        (b"{", "line 1, column 2", "no valid JSON"),
        (b'{"text":\n "a",}', "line 2, column 6", "no valid JSON"),
        (b'{"text": "a"} x', "line 1, column 15", "no valid JSON"),
        (b'{"text": "a\nb"}', "line 1, column 12", "no valid JSON"),
        (b'{"text": "\\x"}', "line 1, column 11", "no valid JSON"),
        (b"\xff\xfe{\0", "byte 0", "not UTF-8"),
        (b'{"text": "\xed\xa0\x80"}', "byte 10", "not UTF-8"),
        (b'{"text": "a", "min_score": NaN}', None, "NaN is not JSON"),
        (b'{"text": "a", "min_score": -Infinity}', None, "-Infinity is not JSON"),
        (b'{"text": "a", "min_score": ' + b"9" * 5000 + b"}", None, "too many digits"),
        (b"[" * 90_000, None, "nested too deeply"),
        (b'{"a":' * 15_000, None, "nested too deeply"),
        (b"[]", None, "a list, not an object"),
        (b"null", None, "null, not an object"),
        (b"7", None, "a number, not an object"),
        (b"{}", None, "none of text, texts and words"),
        (b'{"text": null}', None, "none of text, texts and words"),
        (b'{"text": "a", "texts": []}', "texts", "both text and texts"),
        (b'{"text": "a", "text": "b"}', "text", "'text' stands twice"),
        (b'{"text": "a", "foo": 1}', "foo", "no key 'foo'; there are text"),
        (json.dumps({"text": "a", LONG: 1}).encode(), None, "no key 'kkk"),
        (rb'{"text": "a", "\ud800": 1}', None, "no key"),
        (b'{"text": 7}', "text", "text is a number; give a string"),
        (b'{"text": ["a"]}', "text", "text is a list; give a string"),
        (b'{"texts": "a"}', "texts", "texts is a string; give a list"),
        (b'{"texts": ["a", "b", {}]}', "texts[2]", "texts[2] is an object; give a string"),
        (b'{"texts": ["a", "b", "c", "d", "e"]}', "texts", "5 texts, more than 4"),
        (b'{"words": ["a"]}', "words[0]", "words[0] is a string; give a list"),
        (b'{"words": [[], ["a", true]]}', "words[1][1]", "true or false; give a string"),
        (json.dumps({"words": [["a"], ["b"] * 51]}).encode(), "words[1]", "51"),
        (json.dumps({"texts": ["a", "b " * 51]}).encode(), "texts[1]", "51"),
        (json.dumps({"text": "b " * 51}).encode(), "text", "51"),
        (b'{"text": "a", "min_score": "0.5"}', "min_score", "a string; give a number"),
        (b'{"text": "a", "min_score": true}', "min_score", "give a number"),
        (b'{"text": "a", "min_score": 1.5}', "min_score", "from 0 to 1"),
        (b'{"text": "a", "min_score": 1e999}', "min_score", "from 0 to 1"),
        (b'{"text": "a", "types": []}', "types", "names no type"),
        (b'{"text": "a", "types": "person"}', "types", "give a list"),
        (b'{"text": "a", "types": [["person"]]}', "types[0]", "a list; give a string"),
        (
            b'{"text": "a", "types": ["person", "planet"]}',
            "types[1]",
            "no type 'planet'; there are corporation",
        ),
        (b'{"text": "a", "on_overflow": "explode"}', "on_overflow", "window, error, truncate"),
        (b'{"text": "a", "on_overflow": {}}', "on_overflow", "window, error, truncate"),
        (b'{"text": "a", "tokens": 1}', "tokens", "give true or false"),
        (b'{"text": "a", "model": 1}', "model", "no such model"),
    ],
)
def test_a_wrong_body_is_422_with_the_place(service, body, place, message):
    answer = service.ask(body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert message in error["message"]
    assert error["message"].endswith(".")
    assert len(error["message"]) < 300
    if place is not None:
        assert error["place"] == place


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("?foo=1", "query"),
        ("?min_score=0.1&min_score=0.2", "min_score"),
        ("?min_score=nan", "min_score"),
        ("?min_score=1_0", "min_score"),
        ("?min_score=", "min_score"),
        ("?min_score=2", "min_score"),
        ("?types=", "types"),
        ("?types=planet", "types[0]"),
        ("?tokens=yes", "tokens"),
        ("?on_overflow=", "on_overflow"),
        ("?model=", "model"),
        ("?model=%ff", "query"),
        ("?" + "&".join(["types=person"] * 100), "query"),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", LINES])
def test_a_wrong_query_is_422_with_the_place(service, query, place, kind):
    answer = service.ask(b'{"text": "a"}', query=query, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["place"]) == (422, place)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        [("content-type", "application/json"), ("content-type", "text/plain")],
    ],
)
def test_a_body_of_another_kind_is_415(service, headers):
    answer = service.ask(b'{"text": "a"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON ;charset="UTF-8"',
        "application/json;",
    ],
)
def test_json_may_be_called_so_in_several_ways(service, kind):
    assert service.ask(b'\xef\xbb\xbf {"text": "a"}', headers={"content-type": kind}).status_code == 200


@settings(max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["text", "texts", "words", "types", "min_score", "x"]), inner
                )
            ),
            max_leaves=12,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_whatever_is_sent_is_answered(service, body):
    answer = service.ask(body)
    assert answer.status_code in (200, 422)
    assert ("error" in answer.json()) == (answer.status_code == 422)
