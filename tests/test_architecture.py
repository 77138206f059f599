"""The rules of the house: layers, public names and pins."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tagwright

ROOT = Path(__file__).parents[1]


def test_a_room_imports_only_from_the_rooms_before_it():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", tagwright.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    value = getattr(tagwright, name)
    assert name in dir(tagwright)
    if callable(value):
        assert value.__doc__


def test_there_is_no_other_public_name():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tagwright.nothing  # noqa: B018


def test_libraries_that_report_their_use_are_imported_without_that():
    """See `tagwright.predict.runtimes.unreported`."""
    names = r"(?:onnxruntime|openvino|nncf)\b"
    plain = re.compile(
        rf"^\s*(?:import|from)\s+{names}|\b(?:require|import_module|__import__)\(\s*[\"']{names}",
        re.MULTILINE,
    )
    assert plain.search('require("nncf", "export")')
    files = (ROOT / "src").rglob("*.py")
    assert [file for file in files if plain.search(file.read_text(encoding="utf-8"))] == []


def test_every_dependency_is_pinned_to_one_version():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert "torch==2.13.0" in pins
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {
        re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")
        for extra in ("train", "demo", "dev", "inspect", "keras", "report")
        for requirement in project["dependencies"] + extras[extra]
    }
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    # Where tensorflow-cpu is published, it stands in for tensorflow.
    assert wanted - pinned == {"tagwright", "tensorflow"}
