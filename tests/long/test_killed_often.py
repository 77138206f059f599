"""Twenty runs, each killed three times at random moments, also inside saves; all end as one that was not killed."""

from __future__ import annotations

import random
import time

import pytest

from tests.train.child import SETTINGS
from tests.train.test_killed import kill, start_child, wait_for
from tests.train.test_resume import End
from tests.train.toy import run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("often") / "whole", **SETTINGS).path)


@pytest.mark.parametrize("seed", range(20))
def test_a_run_that_is_killed_three_times(corpus, encoder, tmp_path, whole, seed):
    draw = random.Random(seed)
    out = tmp_path / "run"
    folder = out / "checkpoints"
    for _ in range(3):
        process = start_child(corpus, encoder, out)
        moment = draw.choice(("any", "any", "checkpoint", "bundle"))
        if moment == "any":
            delay = draw.uniform(0, 2.5)
            wait_for(process, lambda: (folder / "run.json").exists())
        elif moment == "checkpoint":
            delay = draw.uniform(0, 0.15)
            wait_for(process, lambda: any((folder / ".writing").glob("checkpoint-*")))
        else:
            delay = draw.uniform(0, 0.2)
            wait_for(process, lambda: any(out.glob(".bundle-*")))
        time.sleep(delay)
        kill(process)
        if process.returncode == 0:  # it had ended before the moment came
            break
        if not (folder / "run.json").exists():  # killed while the checkpoints were tidied away
            break
    if (folder / "run.json").exists():
        run(corpus, encoder, out, resume=True, **SETTINGS)
    assert End.of(out) == whole
