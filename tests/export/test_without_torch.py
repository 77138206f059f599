"""An export answers where neither PyTorch nor transformers is installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path

import pytest

import tagwright
import tagwright as tw
from tests.export.conftest import need

TEXTS = ["Jeff Bezos lives in the Empire State Building , New York", "@paulwalk", "bad storm here " * 40]
ABSENT = ("torch", "transformers", "datasets", "scipy", "accelerate", "onnx", "pandas")

PROGRAM = """
import importlib.util, json, sys
sys.path[:0] = [sys.argv[1]]
absent = [name for name in sys.argv[2].split(",") if importlib.util.find_spec(name) is None]
import tagwright
tagger = tagwright.Tagger.load(sys.argv[3], precision="fp32")
found = [[prediction.tags, prediction.scores] for prediction in tagger.predict(json.loads(sys.argv[4]))]
print(json.dumps([absent, tagger.runtime.name, found]))
"""

COMMAND = """
import sys
sys.path[:0] = [sys.argv.pop(1)]
from tagwright.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def needed(extra: str) -> set[str]:
    """Return the distributions that Tagwright with an extra needs, through and through."""
    from packaging.requirements import Requirement

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    todo = [*project["dependencies"], *project["optional-dependencies"][extra]]
    seen: dict[str, None] = {}
    while todo:
        found = Requirement(todo.pop())
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        if (found.marker is None or found.marker.evaluate({"extra": ""})) and name not in seen:
            seen[name] = None
            todo += metadata.requires(name) or []
    return set(seen)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Make a folder of links to the files of the core's distributions, a runtime's, and nothing else."""
    pytest.importorskip("packaging", reason="packaging is not installed")

    def of(extra: str) -> Path:
        folder = tmp_path_factory.mktemp(extra)
        for name in needed(extra):
            for file in metadata.files(name) or []:
                if ".." in file.parts or "__pycache__" in file.parts:
                    continue
                there, link = Path(str(file.locate())), folder / file
                links = {link: there}
                if file.suffix == ".py":  # compiling them all takes seconds
                    links[Path(cache_from_source(str(link)))] = Path(cache_from_source(str(there)))
                for link, there in links.items():
                    link.parent.mkdir(parents=True, exist_ok=True)
                    if there.exists() and not link.exists():
                        link.symlink_to(there)
        (folder / "tagwright").symlink_to(Path(tagwright.__file__).parent)
        return folder

    return of


def python(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.long)])
def test_it_answers_the_same(bare, made, target):
    out = made(target).out
    tagger = tw.Tagger.load(out, precision="fp32")
    expected = [[prediction.tags, prediction.scores] for prediction in tagger.predict(TEXTS)]
    place = bare(target)
    done = python(PROGRAM, place, ",".join(ABSENT), out, json.dumps(TEXTS))
    assert done.returncode == 0, done.stderr
    absent, runtime, found = json.loads(done.stdout)
    assert absent == list(ABSENT)
    assert runtime == target
    assert found == json.loads(json.dumps(expected))

    told = python(COMMAND, place, "predict", out, "--precision", "fp32", input="\n".join(TEXTS) + "\n")
    assert told.returncode == 0, told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [len(line["entities"]) for line in lines] == [len(entities) for entities in tagger(TEXTS)]


@pytest.mark.long
@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_the_home_folder_stays_empty(trained, tmp_path, target):
    """The libraries would write there who the user is, and post it."""
    need(*["openvino", "nncf"] * (target == "openvino"))
    home = tmp_path / "home"
    home.mkdir()
    options = ["--to", target, "--int8", "--max-drop", "1", "-o", tmp_path / "out"]
    told = subprocess.run(
        [sys.executable, "-m", "tagwright", "export", trained, *options],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert list(home.rglob("*")) == []


def test_what_is_missing_is_one_line(bare, made, trained, tmp_path):
    place = bare("onnx")
    told = python(COMMAND, place, "export", trained, "--to", "onnx", "-o", tmp_path / "out")
    assert told.returncode == 2
    assert told.stderr == "tagwright: error: torch is not installed; pip install 'tagwright[export]'\n"
