"""The counters: what is counted, under labels that no caller can add to."""

from __future__ import annotations

import json

import pytest

from tests.serve.services import TEXT, folder_of, running


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny)) as service:
        yield service


def test_the_format_is_prometheus(service):
    parser = pytest.importorskip("prometheus_client.parser")
    answer = service.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {family.name: family for family in parser.text_string_to_metric_families(answer.text)}
    assert all(name.startswith("tagwright_") for name in families)
    assert all(family.documentation for family in families.values())
    assert not any(name.endswith("_created") for name in families)
    assert families["tagwright_model_ready"].samples[0].value == 1
    assert families["tagwright_build_info"].samples[0].value == 1


def test_the_warm_up_is_not_counted(tiny):
    with running(folder_of(tiny)) as service:
        counts = service.counts()
    assert not any(
        name.startswith(("tagwright_words", "tagwright_stage", "tagwright_entities")) for name in counts
    )


def test_requests_words_entities_batches_and_stages_are_counted(service):
    before = service.counts()

    def more(name: str) -> float:
        return service.counts().get(name, 0) - before.get(name, 0)

    results = service.ask({"texts": [TEXT, "word " * 100]}).json()["results"]
    service.ask({"text": 7})
    service.stream(json.dumps({"text": TEXT}))
    entities = [entity["label"] for result in results for entity in result["entities"]]
    entities += [
        entity["label"] for entity in service.ask({"text": TEXT}).json()["results"][0]["entities"]
    ] * 2
    label = entities[0]
    assert more('tagwright_http_requests_total{route="/v1/entities",status="200"}') == 3
    assert more('tagwright_http_requests_total{route="/v1/entities",status="422"}') == 1
    assert more('tagwright_http_request_seconds_count{route="/v1/entities"}') == 4
    assert more('tagwright_words_total{model="tiny"}') == 3 * 9 + 100
    assert more('tagwright_windows_total{model="tiny"}') > 4
    assert more('tagwright_overflows_total{model="tiny"}') == 1
    assert more(f'tagwright_entities_total{{model="tiny",type="{label}"}}') == entities.count(label)
    assert more('tagwright_batch_windows_count{model="tiny"}') >= 3
    assert more('tagwright_batch_pieces_sum{model="tiny"}') > 100
    for stage in ("queue", "encode", "compute", "decode"):
        assert more(f'tagwright_stage_seconds_count{{model="tiny",stage="{stage}"}}') >= 3
    assert service.counts()['tagwright_queue_requests{model="tiny"}'] == 0
    assert service.counts()["tagwright_http_requests_in_progress"] == 1  # the one that reads this


def test_no_caller_adds_a_label(service):
    service.get("/nothing")
    before = set(service.counts())
    for number in range(20):
        service.get(f"/nothing/{number}")
        service.request(f"METHOD{number}", "/v1/entities")
        service.ask({"text": "a", "model": f"m{number}"})
        service.ask({"text": "a", "types": [f"t{number}"]})
        service.get(f"/page/{number}.js")
    added = set(service.counts()) - before
    assert added <= {
        'tagwright_http_requests_total{route="other",status="405"}',
        'tagwright_http_requests_total{route="/v1/entities",status="422"}',
    }


def test_each_app_counts_for_itself(service, tiny):
    service.get("/health/live")
    with running(folder_of(tiny)) as other:
        assert 'tagwright_http_requests_total{route="/health/live",status="200"}' not in other.counts()
