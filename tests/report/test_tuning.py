"""A search as a table and as a page: it renders, says what it is given, and asks for nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tagwright.report.tuning import SearchDisplay, short_names, tuning_view
from tagwright.report.tuning_page import render_tuning
from tests.chromium import DESKTOP, browser
from tests.report.context import HOSTILE
from tests.train.toy import Quiet

__all__ = ["browser"]  # the fixture is used by its name

PHONE = {"width": 360, "height": 740}
SPACE = {
    "train.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "train.epochs": {"low": 2.0, "high": 8.0, "step": 1},
    "encode.label_pieces": ["first", "all"],
    "train.decay_all": [True, False],
}


def trial(number: int, state: str, f1: float | None, **more: Any) -> dict[str, Any]:
    values = {
        "train.learning_rate": 1e-5 * 3 ** (number % 5),
        "train.epochs": 2.0 + number % 7,
        "encode.label_pieces": ["first", "all"][number % 2],
        "train.decay_all": number % 3 == 0,
    }
    found = {
        "number": number, "id": number, "state": state, "values": values, "f1": f1, "deviation": None,
        "epochs": 3.0, "runs": [], "history": [], "reason": None,
    }  # fmt: skip
    return found | more


def made(**changes: Any) -> dict[str, Any]:
    """Return a search of twelve trials, the ninth the best, one failed, two pruned, one dropped."""
    scores = [0.51, 0.48, 0.5, 0.3, 0.52, 0.49, 0.47, 0.51, 0.55, 0.53]
    trials = [trial(number, "done", f1) for number, f1 in enumerate(scores)]
    trials[3] = trial(3, "pruned", 0.3, epochs=1.0)
    trials[6] = trial(6, "failed", None, reason="the loss is nan at step 3 of 9")
    trials += [
        trial(10, "pruned", 0.2),
        trial(10, "dropped", 0.1, reason="interrupted"),
        trial(11, "done", 0.54),
    ]
    found = {
        "study": "search-sample-minilm", "storage": "out/study.db", "data": {"source": "sample", "sha256": "ab" * 32},
        "encoder": "minilm", "space": SPACE, "pruner": "median", "seeds": [42],
        "counts": {"done": 9, "pruned": 2, "failed": 1, "running": 0, "dropped": 1}, "best": 8, "first": 0,
        "difference": 0.04, "deviation": None, "optimism": None, "confirmed": None,
        "words": ["Trial 8 is the best of 12 trials.", "Do not take the whole of that for a gain."],
        "importance": {"train.epochs": 0.6, "train.learning_rate": 0.3, "train.decay_all": 0.1},
        "trials": trials, "versions": {"tagwright": "0.1.0", "optuna": "5.0.0"}, "notices": ["going on after 3 trials"],
    }  # fmt: skip
    return found | changes


CONFIRMED = {
    "seeds": [43, 44],
    "first": {"f1": [0.5, 0.52], "mean": 0.51, "deviation": 0.0141},
    "best": {"f1": [0.53, 0.54], "mean": 0.535, "deviation": 0.0071},
    "difference": 0.025,
    "interval": [-0.01, 0.06],
    "p": 0.1,
}


def shown(view: Any, width: int = 140) -> str:
    console = Quiet()
    console.width = width
    console.print(view)
    return console.text


def test_the_table_marks_the_best_and_gives_reasons():
    lines = shown(tuning_view(made())).splitlines()
    rows = {line.split()[0]: line for line in lines if line.split() and line.split()[0].isdigit()}
    assert len(rows) == 12
    assert rows["8"].rstrip().endswith("best")
    assert "pruned" in rows["3"]
    assert "failed: the loss is nan" in rows["6"]
    assert "Do not take the whole of that for a gain." in lines[-1]


def test_names_are_short_where_they_are_clear():
    assert short_names(["train.warmup", "train.layer_decay"]) == {
        "train.warmup": "warmup",
        "train.layer_decay": "layer decay",
    }
    assert list(short_names(["model.dropout", "head.dropout"]).values()) == ["model.dropout", "head.dropout"]


def test_a_live_table_shows_how_far_a_trial_is():
    import io

    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=12, color_system=None)
    with SearchDisplay(console, total=30, keys=list(SPACE)) as display:
        display.show([trial(number, "done", 0.5 - number / 100) for number in range(20)])
        display.show(
            [*(trial(number, "done", 0.5 - number / 100) for number in range(20)), trial(20, "running", 0.4)]
        )
        display.progress(20, 0.37)
        console.file.truncate(0)
        console.print(display._render())
    text = console.file.getvalue()
    assert "37%" in text
    assert "best" in text  # trial 0, though it is far above the last rows
    assert "20 of 30 trials, about " in text


def test_lines_elsewhere_tell_each_trial_once():
    console = Quiet()
    with SearchDisplay(console, total=3, keys=list(SPACE)) as display:
        display.show([trial(0, "done", 0.5)])  # of an earlier call
        display.show([trial(0, "done", 0.5), trial(1, "running", None)])
        display.show([trial(0, "done", 0.5), trial(1, "done", 0.6)])
        display.show([trial(0, "done", 0.5), trial(1, "done", 0.6)])
        display.wait(1)
        display.wait(1)
    lines = console.text.splitlines()
    assert lines[0].startswith(
        "2/3  trial 1  learning rate 3e-05  epochs 3  label pieces all  decay all no  done  F1 0.6"
    )
    assert "best so far" in lines[0]
    assert lines[1:] == ["waiting for 1 trial that runs elsewhere; Ctrl-C does not stop them"]


def test_the_same_search_gives_the_same_page():
    assert render_tuning(made()) == render_tuning(made())


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": [], "best": None, "first": None, "difference": None, "words": [], "importance": {}},
        {"trials": [trial(0, "running", None)], "best": None, "first": None, "difference": None, "importance": {}},
        {"trials": [trial(0, "done", 0.5)], "best": 0, "importance": {}},
        {"confirmed": CONFIRMED | {"interval": None}},
        {"first": None, "difference": None},
    ],
)  # fmt: skip
def test_little_to_show_is_shown(changes):
    page = render_tuning(made(**changes))
    assert page.startswith("<!doctype html>")
    assert "None" not in page.partition("<main")[2]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tuning") / "report.html"
    path.write_text(render_tuning(made(confirmed=CONFIRMED)), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser, file):
    """Open the page; in the end nothing was complained of, and nothing but the file was asked for."""
    wrong: list[str] = []
    pages = []

    def open_it(path: Path = file, **settings: Any) -> Any:
        page = browser.new_page(**({"viewport": DESKTOP, "reduced_motion": "reduce"} | settings))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda one: one.url.startswith(("file:", "data:")) or wrong.append(one.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_it
    assert wrong == []
    for page in pages:
        page.close()


def test_it_renders_in_light_and_dark_and_on_a_phone(visit):
    for settings in ({}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        page = visit(**settings)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
        assert page.locator("svg.figure").count() == 6
        for svg in page.locator("svg.figure").all():
            assert svg.bounding_box()["width"] > 100
    assert page.locator("h1").inner_text() == "search-sample-minilm"


def test_everything_has_a_name_and_a_place(visit):
    page = visit()
    levels = [
        int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    ]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for role in ("main", "navigation", "banner", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("img").count() == page.locator("svg").count()
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0


def test_nobody_is_left_out(visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    for scheme in ("light", "dark"):
        found = axe.run(
            visit(color_scheme=scheme, viewport=PHONE), options={"runOnly": ["wcag2a", "wcag2aa"]}
        )
        assert found.response["violations"] == []


def test_trials_are_sorted_by_a_heading(visit):
    page = visit()
    rows = page.locator("table.sortable tbody tr th")
    assert rows.all_inner_texts() == [str(number) for number in range(12)]
    page.locator("table.sortable").get_by_role("button", name="F1", exact=True).click()
    assert rows.first.inner_text() in ("8", "6")  # the best, or the failed one, which has no F1
    page.locator("table.sortable").get_by_role("button", name="learning rate").click()
    assert rows.all_inner_texts()[-1] in ("0", "5", "10")


def test_hostile_texts_do_nothing(visit, tmp_path):
    hostile = made(study=HOSTILE[0], encoder=HOSTILE[1], notices=list(HOSTILE), words=list(HOSTILE))
    hostile["data"]["source"] = HOSTILE[0]
    hostile["trials"][6]["reason"] = HOSTILE[0]
    path = tmp_path / "hostile.html"
    path.write_text(render_tuning(hostile), encoding="utf-8")
    page = visit(path)
    assert page.locator("img, iframe, td svg, td script").count() == 0
    assert page.locator("table.sortable tbody tr").count() == 12
