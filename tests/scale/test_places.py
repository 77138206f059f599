"""Paths and addresses."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tagwright.errors import InputError, RunError

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

from tagwright.scale.places import Place, telling

HERE = "s3://bucket/a?endpoint_override=127.0.0.1:1&scheme=http&region=us-east-1"


def test_a_path_is_absolute_and_keeps_the_name_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    place = Place.of("in") / "a.txt"

    assert place.local == tmp_path / "in" / "a.txt"
    assert str(place) == "in/a.txt"
    assert place.name == "a.txt"
    assert pickle.loads(pickle.dumps(place)) == place


@pytest.mark.parametrize(
    ("given", "path"), [("file:///a%20b/c", "/a b/c"), ("a?b=1/../c#d", None), ("s3:x", None)]
)
def test_what_is_no_address_is_a_path(given, path):
    place = Place.of(given)

    assert place.is_local
    assert place.path == (path or str(Path.cwd() / Path(given.replace("a?b=1/../", ""))))


def test_an_address_keeps_its_options_at_its_end():
    place = Place.of(HERE) / "part"

    assert not place.is_local
    assert place.path == "bucket/a/part"
    assert str(place) == HERE.replace("/a?", "/a/part?")
    assert Place.of(str(place)) == place
    assert pickle.loads(pickle.dumps(place)) == place


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ftp://host/a", "ftp:// is not read"),
        ("s3:///a", "no bucket"),
        ("s3://key:secret@bucket/a?region=x", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/a?region=x&colour=blue", "colour"),
        ("", "no path"),
    ],
)
def test_a_wrong_address_is_refused(given, said):
    with pytest.raises(InputError, match=said) as raised:
        Place.of(given)

    assert "secret" not in str(raised.value)


def test_what_lies_there_is_told(tmp_path):
    (tmp_path / "b").write_bytes(b"x")
    (tmp_path / "a").mkdir()
    place = Place.of(tmp_path)

    assert (place.kind, (place / "b").kind, (place / "c").kind) == ("folder", "file", None)
    assert [info.base_name for info in place.files()] == ["a", "b"]
    assert (place / "c").files() == []
    assert (place / "b").read_bytes() == b"x"
    assert (place / "c").read_bytes() is None


def test_an_error_of_the_file_system_names_the_address(tmp_path):
    with pytest.raises(RunError, match=r"a/b: .*director"), telling("a/b"):
        Place.of(tmp_path).fs.open_input_file(str(tmp_path))
