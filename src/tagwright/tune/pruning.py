"""When a trial is given up: its mean F1 so far, against other trials at the same share of their runs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

__all__ = ["SHARES", "points_of", "step_of"]

SHARES = tuple(range(10, 101, 10))
"""Percents of a run at which trials are compared. The rate falls to zero over a run, however many epochs it has, and
F1 rises as it falls: at equal epochs a long run would look worse than a short one that is nearly over."""

History = Sequence[tuple[float, float, float]]


def step_of(place: int, share: int) -> int:
    """Return the step at which a mean is reported: a hundred for each seed before, and the percents of this one.

    Args:
        place: of the seed, from 0.
        share: in percent.
    """
    return place * 100 + share


def points_of(histories: Sequence[History], *, keep_best: bool) -> dict[int, float]:
    """Return the mean F1 over seeds at each share of the run that every one of them has come to, by percent.

    Between two evaluations F1 is taken to lie on the line between them; before the first one nothing is known.

    Args:
        histories: the evaluations of each seed: share of the run in 0..1, epochs and F1.
        keep_best: take the best F1 up to each evaluation, as a run that ends with its best weights does.
    """
    curves = [_curve(history, keep_best) for history in histories]
    shared = [share for share in SHARES if all(share in curve for curve in curves)]
    return {share: fmean(curve[share] for curve in curves) for share in shared} if curves else {}


def _curve(history: History, keep_best: bool) -> dict[int, float]:
    points: dict[int, float] = {}
    before: tuple[float, float] | None = None
    for share, _, f1 in history:
        percent = 100 * share
        if keep_best and before is not None:
            f1 = max(f1, before[1])
        for mark in SHARES:
            if before is None and abs(mark - percent) < 1e-6:
                points[mark] = f1
            elif before is not None and before[0] < mark <= percent + 1e-6:
                points[mark] = before[1] + (f1 - before[1]) * (mark - before[0]) / (percent - before[0])
        before = (percent, f1)
    return points
