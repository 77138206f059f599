"""`tagwright annotate`, killed at random moments: no row lost or doubled, and the bytes of an unbroken run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")

from tests.scale.corpora import check_output, files_of
from tests.scale.killing import Call, kill_until_done, ray_folder, wait_for
from tests.scale.test_ray import ROWS, arguments, bundle, corpus, whole

__all__ = ["bundle", "corpus", "whole"]

pytestmark = pytest.mark.long


@pytest.mark.parametrize("seed", range(10))
def test_killed_workers_and_drivers_lose_and_double_nothing(bundle, corpus, whole, tmp_path, seed):
    out = tmp_path / "out"

    killed = kill_until_done(arguments(bundle, corpus, out), out, seed, drivers=2, workers=2)

    assert killed
    check_output(out, ROWS)
    assert files_of(out) == files_of(whole)


@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)]
)
def test_a_run_that_is_stopped_says_how_to_go_on_and_leaves_nothing_running(
    bundle, corpus, tmp_path, number, group
):
    out = tmp_path / "out"
    with ray_folder() as ray:
        call = Call(arguments(bundle, corpus, out), ray)
        try:
            wait_for(lambda: call.workers())
            (os.killpg if group else os.kill)(call.driver.pid, number)
            assert call.wait(60) == 130, call.said()
            assert "give the same call again to go on" in call.said()
            assert len(call.said().splitlines()) == 1
            call.wait_gone()
        finally:
            call.end()
    assert (out / "_running" / "plan.json").exists()


def test_a_worker_that_stands_still_is_waited_for(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    with ray_folder() as ray:
        call = Call(arguments(bundle, corpus, out), ray)
        try:
            wait_for(lambda: call.workers())
            victim = call.workers()[0]
            os.kill(victim, signal.SIGSTOP)
            wait_for(lambda: len(list(Path(out).glob("part-*"))) > 3)
            os.kill(victim, signal.SIGCONT)
            assert call.wait() == 0
        finally:
            call.end()

    assert files_of(out) == files_of(whole)


def test_a_second_run_is_refused_while_the_first_goes_on(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    with ray_folder() as ray:
        call = Call(arguments(bundle, corpus, out), ray)
        try:
            wait_for(lambda: call.workers())
            second = Call(arguments(bundle, corpus, out), ray)
            assert second.wait() == 1
            assert f"another run is writing it by process {call.driver.pid} on" in second.said()
            assert call.wait() == 0
        finally:
            call.end()
            second.end()

    assert files_of(out) == files_of(whole)


def test_more_workers_than_fit_are_told(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    with ray_folder() as ray:
        call = Call([*arguments(bundle, corpus, out), "--actors", "100", "--json"], ray)
        try:
            assert call.wait() == 0
            assert "100 workers were asked for" in call.said()
            assert json.loads(call.out.read_bytes())["rows"] == ROWS
            call.wait_gone()
        finally:
            call.end()

    assert files_of(out) == files_of(whole)
