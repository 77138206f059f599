from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tagwright.data.catalog import CATALOG, fetch
from tagwright.data.load import read_corpus
from tagwright.errors import InputError, RunError

FILES = {split: name for split, (name, _) in CATALOG["wnut17"].files.items()}


@dataclass
class Server:
    """A web server on this machine: what it holds, how often it fails first, and what was asked of it."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    failures: int = 0
    asked: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            state.asked[name] += 1
            data = state.files.get(name, b"")
            failing = state.asked[name] <= state.failures
            self.send_response(503 if failing else 200 if name in state.files else 404)
            self.send_header("Content-Length", str(0 if failing else len(data)))
            self.end_headers()
            if not failing:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/"
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield state
        http.shutdown()


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAGWRIGHT_DATA", raising=False)


@pytest.mark.real
def test_files_are_downloaded_once_and_retried(server: Server, wnut17: Path, tmp_path: Path) -> None:
    server.files = {name: (wnut17 / name).read_bytes() for name in FILES.values()}
    server.failures = 1
    for _ in range(2):
        found = fetch("wnut17", url=server.url, cache_dir=tmp_path, retries=1)
        assert {split: path.name for split, path in found.files.items()} == FILES
    assert set(server.asked.values()) == {2}
    assert found.licence == "CC BY 4.0"
    assert "licence CC BY 4.0" in found.notices[0]


@pytest.mark.real
def test_a_damaged_cache_is_mended(server: Server, wnut17: Path, tmp_path: Path) -> None:
    server.files = {name: (wnut17 / name).read_bytes() for name in FILES.values()}
    found = fetch("wnut17", url=server.url, cache_dir=tmp_path)
    found.files["test"].write_text("damaged")
    again = fetch("wnut17", url=server.url, cache_dir=tmp_path)
    assert again.files["test"].read_bytes() == server.files[FILES["test"]]


def test_a_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    server.files = dict.fromkeys(FILES.values(), b"something else\tO\n")
    with pytest.raises(RunError, match="not the published one: its SHA-256 differs"):
        fetch("wnut17", url=server.url, cache_dir=tmp_path, retries=0)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_error_of_the_server_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"wnut17 cannot be downloaded \(the server answered 404\)"):
        fetch("wnut17", url=server.url, cache_dir=tmp_path, retries=0)


def test_no_network_says_how_to_go_on_without(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"put wnut17train\.conll, .* in a folder and set TAGWRIGHT_DATA"
    ) as caught:
        fetch("wnut17", url="http://127.0.0.1:9/", cache_dir=tmp_path, retries=0)
    assert "\n" not in str(caught.value)


@pytest.mark.real
def test_files_that_are_there_are_used(wnut17: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = read_corpus("wnut17", data_dir=wnut17)
    assert (corpus.source, corpus.licence) == ("wnut17", "CC BY 4.0")
    assert {split: len(rows) for split, rows in corpus.splits.items()} == {
        "train": 3394,
        "validation": 1009,
        "test": 1287,
    }
    monkeypatch.setenv("TAGWRIGHT_DATA", str(wnut17))
    assert read_corpus("wnut17").sha256 == corpus.sha256 == read_corpus(wnut17).sha256
    (tmp_path / "wnut17").mkdir()
    for name in FILES.values():
        (tmp_path / "wnut17" / name).write_bytes((wnut17 / name).read_bytes())
    monkeypatch.setenv("TAGWRIGHT_DATA", str(tmp_path))
    assert read_corpus("wnut17").sha256 == corpus.sha256


def test_given_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no wnut17train\.conll for the train split of wnut17"):
        read_corpus("wnut17", data_dir=tmp_path)
    for name in FILES.values():
        (tmp_path / name).write_text("a\tO\n")
    actual = hashlib.sha256(b"a\tO\n").hexdigest()[:12]
    with pytest.raises(
        InputError, match=f"not the published file: its SHA-256 is {actual}…, not 731820e13f71…"
    ):
        read_corpus("wnut17", data_dir=tmp_path)


@pytest.mark.real
def test_the_sums_are_those_that_lie_beside_the_files(wnut17: Path) -> None:
    listed = dict(reversed(line.split()) for line in (wnut17 / "SHA256SUMS").read_text().splitlines())
    assert {name: listed[name] for name in FILES.values()} == dict(CATALOG["wnut17"].files.values())
