"""The pages keep to the code: Python parses, links resolve, commands, options and recipe fields exist."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from tagwright.cli.main import COMMANDS, app
from tagwright.config import Recipe

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = {"", "sh", "bash", "shell", "console"}
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")
INLINE = re.compile(r"`(?P<code>[^`\n]+)`")
FIELD = re.compile(rf"(?P<section>{'|'.join(Recipe.model_fields)})\.(?P<field>[a-z_]+)( ?=.*)?")
NOT_FIELDS = {"config", "conll", "json", "jsonl", "onnx", "parquet", "safetensors", "toml", "tsv", "txt"}
"""What stands behind `train.` or `model.` where a file, or the configuration of a model, is meant."""

ENDS_A_COMMAND = {"|", "||", "&&", ";", ">", ">>", "2>", "<", "&"}


class Page:
    """A page's text, its fenced blocks apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.prose = FENCE.sub("", self.text)

    def blocks(self, *kinds: str) -> Iterator[str]:
        for fence in FENCE.finditer(self.text):
            if (fence["info"].split() or [""])[0] in kinds:
                yield re.sub(rf"^{fence['indent']}", "", fence["body"], flags=re.MULTILINE)

    def inline(self) -> Iterator[str]:
        for found in INLINE.finditer(self.prose):
            yield found["code"]

    def anchors(self) -> set[str]:
        headings = re.findall(r"^#+ +(.+?) *$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_in(block: str) -> Iterator[list[str]]:
    """Yield the words of each `tagwright` call in a shell block, up to a pipe or the next command."""
    lines = block.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):  # the others are output
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        if "tagwright" not in line:
            continue
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        while words:
            end = next((place for place, word in enumerate(words) if word in ENDS_A_COMMAND), len(words))
            call, words = words[:end], words[end + 1 :]
            if call and Path(call[0]).name == "tagwright":
                yield call[1:]


def resolve(call: list[str]) -> tuple[Any, list[str]]:
    """Return the command of a call and the arguments that follow its name."""
    group = typer.main.get_command(app)
    name, *rest = call
    assert name in COMMANDS, f"there is no command {name!r}"
    _, command, rest = group.resolve_command(None, [name, *rest])
    return command, rest


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.fixture(params=PAGES, ids=IDS)
def page(request) -> Page:
    return Page(request.param)


def test_python_parses(page):
    for block in page.blocks("python"):
        if not block.startswith(">>> "):
            ast.parse(block)


def test_python_sessions_hold(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sessions = "\n".join(block for block in page.blocks("python", "pycon") if block.startswith(">>> "))
    name = str(page.path.relative_to(ROOT))
    session = doctest.DocTestParser().get_doctest(sessions, {}, name, name, 0)
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session).failed == 0


def test_recipes_are_recipes(page):
    for block in page.blocks("toml"):
        values = tomllib.loads(block)
        if set(values) & set(Recipe.model_fields):
            Recipe.model_validate(values)


def test_internal_links_resolve(page):
    for link in LINK.finditer(page.prose):
        where = link["target"] or link["attribute"]
        target, _, anchor = where.partition("#")
        if re.match(r"\w+:", target):
            continue
        file = page.path.parent / target if target else page.path
        assert file.exists(), f"{where} is not there"
        if anchor:
            assert anchor in Page(file).anchors(), f"{where} has no such heading"


def test_command_lines_are_calls_that_work(page):
    for block in page.blocks(*SHELL):
        for call in commands_in(block):
            if not call or call[0].startswith("-"):
                typer.main.get_command(app).make_context("tagwright", call, resilient_parsing=True)
                continue
            command, rest = resolve(call)
            if "--help" not in rest:
                command.make_context(call[0], list(rest))  # it empties its list
            Recipe.load(None, [value for option, value in pairwise(rest) if option == "--set"])


def test_commands_in_prose_exist(page):
    for code in page.inline():
        words = code.removeprefix("$ ").split()
        if words[:1] != ["tagwright"] or len(words) == 1 or words[1].startswith("-"):
            continue
        command, rest = resolve(words[1:])
        known = {"--help", "--debug", *options_of(command)}
        for word in rest:
            named = re.match(r"[^\w-]*(--?[a-z][\w-]*)", word)
            assert named is None or named[1] in known, f"{code!r}: there is no {named[1]}"


def test_recipe_fields_exist(page):
    """`section.field` in prose is a field of the recipe; a method is written with its parentheses."""
    for code in page.inline():
        found = FIELD.fullmatch(code.removeprefix("--set "))
        if found and found["field"] not in NOT_FIELDS:
            section: Any = Recipe.model_fields[found["section"]].annotation
            assert found["field"] in section.model_fields, f"the recipe has no {code}"


def test_extras_exist(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for named in re.findall(r"\btagwright\[([\w,-]+)\]", page.text):
        assert set(named.split(",")) <= set(extras), f"there is no extra {named}"


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("tagwright score a.conll b.conll  # both", [["score", "a.conll", "b.conll"]]),
        ("$ echo hi | .venv/bin/tagwright predict run > out", [["predict", "run"]]),
        (
            "tagwright inspect sample && tagwright train \\\n  --data x",
            [["inspect", "sample"], ["train", "--data", "x"]],
        ),
        ("pip install 'tagwright[train]'", []),
    ],
)
def test_calls_are_found_in_shell_lines(line, calls):
    assert list(commands_in(line)) == calls
