"""The app: what it answers, and that it answers what the tagger predicts."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import pytest

from tagwright.errors import InputError
from tagwright.predict.tagger import Tagger
from tagwright.serve.app import create_app
from tests.models import tiny_bundle
from tests.serve.services import TEXT, folder_of, running

TEXTS = [TEXT, "", "Rain all day 😀 in Saõ Paulo", "a\ud800b Jeff", "x \0 y", "word " * 100]
SENTENCES = [TEXT.split(), [], ["Jeff", "", "😀"]]


@pytest.fixture(scope="module")
def service(tiny, tmp_path_factory):
    other = tiny_bundle(
        tmp_path_factory.mktemp("bundles") / "other",
        labels=["O", "B-place", "I-place"],
        seed=3,
        made={
            "engine": "torch",
            "data": {"source": "/home/somebody/data/places", "sha256": "ab"},
            "scores": {"validation": {"lenient": {"f1": 0.5}}},
            "notices": ["/home/somebody/data/places has no validation split"],
        },
    )
    with running(folder_of(tiny), folder_of(f"places={other}")) as service:
        yield service


def test_an_app_leaves_no_thread_behind_its_lifespan(tiny):
    before = set(threading.enumerate())
    app = create_app([tiny])

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await app.state.service.wait_ready()

    asyncio.run(live())
    end = time.monotonic() + 10
    while left := [t for t in threading.enumerate() if t.name.startswith("tagwright") and t not in before]:
        assert time.monotonic() < end, left
        time.sleep(0.01)


@pytest.fixture(scope="module")
def tagger(tiny):
    return Tagger.load(tiny, precision="fp32", device="cpu")


def expected(predictions):
    return [
        {
            "entities": [
                entity.to_dict() | {"score": pytest.approx(entity.score, abs=2e-4)}
                for entity in found.entities
            ],
            "words": len(found.words),
        }
        for found in predictions
    ]


def test_a_text_is_answered_as_the_tagger_answers_it(service, tagger):
    answer = service.ask({"text": TEXT})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"model": "tiny", "results": expected(tagger.predict([TEXT]))}
    assert all(
        TEXT[entity["start"] : entity["end"]] == entity["text"]
        for entity in answer.json()["results"][0]["entities"]
    )


def test_texts_of_any_characters_are_answered_in_order(service, tagger):
    assert service.ask({"texts": TEXTS}).json()["results"] == expected(tagger.predict(TEXTS))
    assert service.ask({"texts": []}).json() == {"model": "tiny", "results": []}


def test_half_a_surrogate_pair_leaves_as_it_came(service):
    answer = service.ask(rb'{"text": "a\ud800b Jeff", "tokens": true}')
    assert answer.status_code == 200
    assert rb"\ud800" in answer.content
    assert "\ud800" in "".join(answer.json()["results"][0]["tokens"])


def test_sentences_of_words_are_answered(service, tagger):
    assert service.ask({"words": SENTENCES}).json()["results"] == expected(tagger.predict_words(SENTENCES))


def test_words_and_tags_are_given_when_asked_for(service, tagger):
    [found] = tagger.predict([TEXT])
    [result] = service.ask({"text": TEXT, "tokens": True}).json()["results"]
    assert (result["tokens"], result["tags"]) == (list(found.words), list(found.tags))


def test_options_leave_entities_out(service):
    everything = service.ask({"text": TEXT, "min_score": 0}).json()["results"][0]["entities"]
    scores = sorted(entity["score"] for entity in everything)
    middle = scores[len(scores) // 2]
    kept = service.ask({"text": TEXT, "min_score": middle}).json()["results"][0]["entities"]
    assert 0 < len(kept) < len(everything)
    assert all(entity["score"] >= middle for entity in kept)
    label = everything[0]["label"]
    named = service.ask({"text": TEXT, "types": [label]}).json()["results"][0]["entities"]
    assert named == [entity for entity in everything if entity["label"] == label]


def test_options_may_stand_in_the_query_and_the_body_has_the_last_word(service):
    assert (
        service.ask({"text": TEXT}, query="?min_score=1&tokens=true").json()["results"][0]["entities"] == []
    )
    everything = service.ask({"text": TEXT}).json()["results"][0]["entities"]
    label = everything[0]["label"]
    answer = service.ask(
        {"text": TEXT, "min_score": 0, "tokens": None}, query=f"?min_score=1&types={label},group"
    )
    found = answer.json()["results"][0]["entities"]
    assert found == [entity for entity in everything if entity["label"] in (label, "group")]


@pytest.mark.parametrize("query", ["?model=nowhere", "?types=planet", "?min_score=2"])
def test_options_of_the_query_have_to_be_right_all_the_same(service, query):
    body = {"text": TEXT, "model": "tiny", "types": ["person"], "min_score": 0}
    assert service.ask(body, query=query).status_code == 422
    assert service.ask(body, query="?model=places&types=place&min_score=1").status_code == 200


def test_null_is_as_good_as_left_out(service):
    body = dict.fromkeys(("texts", "words", "model", "min_score", "types", "on_overflow", "tokens"))
    assert service.ask({"text": TEXT, **body}).json() == service.ask({"text": TEXT}).json()


def test_long_texts_are_cut_as_the_request_says(service):
    long = "word " * 100
    assert "lost_words" not in service.ask({"text": long}).json()["results"][0]
    assert service.ask({"text": long, "on_overflow": "truncate"}).json()["results"][0]["lost_words"] > 0
    refused = service.ask({"text": long, "on_overflow": "error"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "text_too_long")
    assert refused.json()["error"]["place"] == "text"
    refused = service.ask({"texts": ["a", long], "on_overflow": "error"})
    assert refused.json()["error"]["place"] == "texts[1]"


def test_models_are_asked_by_name(service):
    answer = service.ask({"text": TEXT, "model": "places"})
    assert answer.json()["model"] == "places"
    assert {entity["label"] for entity in answer.json()["results"][0]["entities"]} <= {"place"}
    refused = service.ask({"text": TEXT, "model": "nowhere"})
    assert (refused.status_code, refused.json()["error"]["place"]) == (422, "model")
    assert "tiny, places" in refused.json()["error"]["message"]
    refused = service.ask({"text": TEXT, "model": "places", "types": ["person"]})
    assert (refused.status_code, refused.json()["error"]["place"]) == (422, "types[0]")


def test_models_say_what_they_are_and_nothing_of_this_machine(service):
    answer = service.get("/v1/models")
    first, second = answer.json()["models"]
    assert (first["name"], first["default"], first["ready"]) == ("tiny", True, True)
    assert (second["name"], second["default"]) == ("places", False)
    assert second["types"] == ["place"]
    assert (second["scheme"], second["runtime"], second["precision"]) == ("iob2", "torch", "fp32")
    assert second["scores"] == {"validation": {"lenient": {"f1": 0.5}}}
    assert second["made"] == {"engine": "torch", "data": {"source": "places", "sha256": "ab"}}
    assert "/home" not in answer.text
    assert str(service.service.models[0].bundle.folder.parent) not in answer.text


def test_health_is_told(service):
    assert service.get("/health/live").json() == {"status": "ok"}
    assert service.get("/health/ready").json() == {"status": "ready"}
    assert service.request("HEAD", "/health/ready").status_code == 200


def test_unknown_paths_and_methods_are_refused_in_the_same_shape(service):
    answer = service.get("/v1/entities")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    for path in ("/nothing", "/v1/entities/", "/page/..%2f..%2fapp.py", "/page/"):
        answer = service.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert set(answer.json()) == {"error", "request_id"}


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_bring_everything_from_here(service, path):
    page = service.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    links = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert links
    for link in links:
        file = service.get("/" + link.removeprefix("./").removeprefix("/"))
        assert file.status_code == 200, link
        assert file.headers["x-content-type-options"] == "nosniff"


def test_files_are_kept_by_browsers_until_they_change(service):
    page = service.get("/")
    assert page.headers["cache-control"] == "no-cache"
    for known in (page.headers["etag"], f'"x", W/{page.headers["etag"]}', "*"):
        again = service.get("/", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == page.headers["etag"]
    assert service.get("/", headers={"if-none-match": '"x"'}).status_code == 200


def test_two_bundles_of_one_name_are_refused(tiny):
    with pytest.raises(InputError, match=r"two bundles are called 'tiny'.*NAME=FOLDER"):
        create_app([tiny, tiny])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "there is no such folder"),
        ("a/b=c", "there is no such folder"),
        ("name=nowhere", "nowhere: there is no such folder"),
    ],
)
def test_what_is_no_bundle_is_refused(spec, message):
    with pytest.raises(InputError, match=message):
        create_app([spec])


def test_no_bundle_is_refused():
    with pytest.raises(InputError, match="no bundle to serve"):
        create_app([])


def test_a_name_that_no_request_could_say_is_refused(tmp_path):
    folder = tiny_bundle(tmp_path / "größe")
    with pytest.raises(InputError, match="NAME=FOLDER"):
        create_app([folder])
    assert create_app([f"size={folder}"]).state.service.models[0].name == "size"


def test_an_unknown_runtime_or_precision_is_refused(tiny):
    with pytest.raises(InputError, match="no runtime 'abacus'"):
        create_app([tiny], runtime="abacus")
    with pytest.raises(InputError, match="no precision 'fp1'"):
        create_app([tiny], precision="fp1")


def test_a_runtime_or_a_precision_that_the_bundle_was_not_made_for_is_refused(tiny):
    with pytest.raises(InputError, match="holds weights, which run on torch, not on onnx"):
        create_app([tiny], runtime="onnx")
    with pytest.raises(InputError, match="torch does not compute a bundle with weights in int8"):
        create_app([tiny], precision="int8")
