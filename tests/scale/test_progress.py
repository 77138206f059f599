"""What is shown of a run on the way."""

from __future__ import annotations

import io

from rich.console import Console

from tagwright.scale.fragment import Counts
from tagwright.scale.progress import Meter, clock
from tagwright.scale.result import Step

BEGUN = Step(10, 2, Counts(rows=200, rejected=1), workers=4)
LATER = Step(10, 4, Counts(rows=400, rejected=1), words=3000, now=2, seconds=3.0, workers=4)


def test_a_terminal_shows_one_line_with_speed_and_time_left():
    shown = io.StringIO()

    with Meter(console=Console(file=shown, force_terminal=True, width=120)) as meter:
        meter.show(BEGUN)
        assert "2 of 10 fragments  200 rows  1 rejected  4 workers start" in shown.getvalue()
        meter.say("100 workers were asked for")
        meter._shown = -100.0
        meter.show(LATER)

    assert "4 of 10 fragments  400 rows  1 rejected  1,000 words/s  0:09 left" in shown.getvalue()
    assert "100 workers were asked for\n" in shown.getvalue()


def test_elsewhere_there_is_a_line_now_and_then():
    shown = io.StringIO()

    with Meter(file=shown, lines=3600) as meter:
        meter.show(BEGUN)
        meter.show(LATER)
        assert shown.getvalue() == ""
        meter.say("a\nb")
    with Meter(file=shown, lines=0) as meter:
        meter.show(LATER)
        meter.show(Step(10, 10, Counts()))

    assert shown.getvalue() == "a b\n4 of 10 fragments  400 rows  1 rejected  1,000 words/s  0:09 left\n"


def test_durations_are_written_as_a_clock_does():
    assert [clock(seconds) for seconds in (0, 59.6, 75, 7384)] == ["0:00", "1:00", "1:15", "2:03:04"]
