"""A report as Markdown and as text: the same figures, and nothing from data becomes markup."""

from __future__ import annotations

import re

import pytest

from tagwright.report.markdown import to_markdown
from tagwright.report.overview import to_text
from tests.report.context import comparison, context
from tests.report.hostile import twins


def shape(markdown: str) -> list[str]:
    """What each line is: a heading, a list, a fence, or a table row with so many cells."""
    found = []
    for line in markdown.split("\n"):
        start = re.match(r"#+ |> |- |```|\|", line)
        cells = len(re.findall(r"(?<!\\)\|", line))
        found.append(
            f"{start[0] if start else ('text' if line else '')} {cells if line.startswith('|') else ''}"
        )
    return found


def test_every_part_is_there():
    text = to_markdown(context(comparison=comparison()))
    for line in (
        "# sample-tagger",
        "| lenient | 0.5489 | 0.3489 | 0.4489 | 0.3989 to 0.4989 | 0.3101 | 1,079 |",
        "| missed | 11 | what missed means |",
        "| `Bristol` | location | (nothing) | missed | 4 |",
        "| surplus copies | 103 |",
        "No difference shows.",
        "## Calibration",
        "epochs = 3.0",
        "> the tagger does not know B-event: all of them count as missed",
    ):
        assert line in text.split("\n")


def test_hostile_texts_change_no_line():
    hostile, harmless = (to_markdown(one) for one in twins(comparison=comparison()))
    assert shape(hostile) == shape(harmless)
    outside = re.sub(r"(`+).*?\1", "", re.sub(r"```toml.*?```", "", hostile, flags=re.DOTALL))
    assert not re.search(r"(?<!\\)<|(?<!\\)\]\(|@\w", outside)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("my_run", r"my\_run"),
        ("@someone", "`@someone`"),
        ("fixes #12", "`fixes #12`"),
        ("a|b @c", r"`a\|b @c`"),
        ("https://x.example", r"https\://x.example"),
        ("`@tick`", "`` `@tick` ``"),
        ("- item", r"\- item"),
    ],
)
def test_texts_stay_as_they_are(title, shown):
    assert to_markdown(context(title=title)).startswith(f"# {shown}\n")


def test_the_terminal_shows_the_same():
    text = to_text(context(comparison=comparison()))
    for part in (
        "sample-tagger on sample, test",
        "0.4489",
        "No difference shows.",
        "missed",
        "0.0821",
        "Bristol",
    ):
        assert part in text
    hostile, _ = twins()
    hostile["analysis"]["slices"] = []  # their names are ours
    assert "\x1b" not in to_text(hostile)
