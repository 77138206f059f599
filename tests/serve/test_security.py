"""Keys, origins and headers."""

from __future__ import annotations

import pytest

from tagwright.errors import InputError
from tagwright.serve.security import is_loopback, is_open, read_keys
from tests.serve.services import TEXT, folder_of, running

KEY, OTHER = "key-of-somebody-1", "key-of-somebody-2"
CLOSED = (
    "/v1/models",
    "/metrics",
    "/v1/entities",
    "/nothing",
    "/health",
    "/docsx",
    "/openapi.json/",
    "/pages/x",
)
OPEN = (
    "/",
    "/docs",
    "/docs/swagger-ui.css",
    "/openapi.json",
    "/health/live",
    "/health/ready",
    "/page/style.css",
)


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny), api_keys=(KEY, OTHER), origins=("https://page.example",)) as service:
        yield service


@pytest.mark.parametrize("path", CLOSED)
def test_without_a_key_everything_but_pages_and_health_is_401(service, path):
    answer = service.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_pages_and_health_need_no_key(service, path):
    assert service.get(path).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer  {OTHER} "}, 200),
        ({"x-api-key": OTHER}, 200),
        ({"authorization": "Basic x", "x-api-key": KEY}, 200),
        ({"authorization": f"Bearer {OTHER}", "x-api-key": KEY}, 200),
        ({"authorization": "Bearer x", "x-api-key": KEY}, 401),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": f"Bearer {KEY}x"}, 401),
        ({"authorization": f"Bearer {KEY[:-1]}"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": KEY.upper()}, 401),
        ({"x-api-key": "ä" * 9}, 401),
    ],
)
def test_a_key_is_taken_in_two_headers(service, headers, status):
    headers = {name: value.encode() for name, value in headers.items()}
    assert service.get("/v1/models", headers=headers).status_code == status
    answer = service.ask({"text": TEXT}, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status


def test_a_key_is_asked_for_before_anything_is_read(service):
    assert service.ask(b"no JSON", headers={"content-type": "text/plain"}).status_code == 401


def test_keys_are_shown_nowhere(service):
    service.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})
    service.get("/v1/models", headers={"x-api-key": "a-wrong-key"})
    said = f"{service.log()}{service.settings}{service.get('/openapi.json').text}"
    assert not any(key in said for key in (KEY, OTHER, "a-wrong-key"))


def test_the_schema_names_the_ways_to_send_a_key(service):
    schema = service.get("/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "key"}
    assert schema["paths"]["/v1/entities"]["post"]["security"] == [{"bearer": []}, {"key": []}]
    assert "security" not in schema["paths"]["/health/live"]["get"]


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/models", "/nothing", "/health/live", "/v1/entities"])
def test_every_response_tells_browsers_what_not_to_do(service, path):
    answer = service.get(path, headers={"x-request-id": "mine-1"})
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize("given", ["a b", "x" * 65, "", "ä", "a\tb", "<x>"])
def test_a_request_id_of_other_signs_is_replaced(service, given):
    answer = service.get("/nothing", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] not in ("", given)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_named_origin_may_call_and_reads_refusals_too(service):
    origin = {"origin": "https://page.example"}
    for path in ("/v1/models", "/nothing", "/health/live"):
        answer = service.get(path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://page.example"
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    asked = {
        **origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-api-key",
    }
    answer = service.request("OPTIONS", "/v1/entities", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
        200,
        "https://page.example",
    )
    assert "x-request-id" in answer.headers
    other = service.request("OPTIONS", "/v1/entities", headers={**asked, "origin": "https://other.example"})
    assert (other.status_code, "access-control-allow-origin" in other.headers) == (400, False)


def test_without_a_named_origin_no_page_of_another_site_may_call(tiny):
    with running(folder_of(tiny)) as service:
        asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
        assert service.request("OPTIONS", "/v1/entities", headers=asked).status_code == 405
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = service.ask(b'{"text": "a"}', headers={"content-type": kind, "origin": "null"})
            assert answer.status_code == 415
            assert not any(name.startswith("access-control") for name in answer.headers)


def test_keys_are_read_from_a_file_and_the_environment(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# of the team\n{KEY}\n\n  {OTHER}  \n", encoding="utf-8")
    assert read_keys(file, {}) == (KEY, OTHER)
    assert read_keys(file, {"TAGWRIGHT_API_KEY": "third"}) == (KEY, OTHER, "third")
    assert read_keys(None, {"TAGWRIGHT_API_KEY": KEY}) == (KEY,)
    assert read_keys(None, {}) == ()


@pytest.mark.parametrize("content", [b"", b"\n# none\n", b"two words\n", "schlüssel\n".encode(), b"\xff\xfe"])
def test_a_file_without_keys_is_refused_and_not_shown(tmp_path, content):
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(InputError, match="key") as caught:
        read_keys(file, {})
    assert str(file) in str(caught.value)
    assert "two words" not in str(caught.value)


def test_a_file_that_is_missing_and_an_empty_variable_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_keys(tmp_path / "nothing", {})
    with pytest.raises(InputError, match="TAGWRIGHT_API_KEY is empty"):
        read_keys(None, {"TAGWRIGHT_API_KEY": " "})


def test_what_is_open_is_a_closed_list():
    assert all(map(is_open, OPEN))
    assert not any(map(is_open, CLOSED))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("box", False),
    ],
)
def test_loopback_is_told_from_the_rest(host, expected):
    assert is_loopback(host) is expected
