"""What a learning curve allows to say about more labels, in numbers and in words.

Each seed draws its own nested parts of the training data, so a difference between two sizes is taken within each
seed, and its interval is Student's over the seeds. What comes next is read off a line in log2(sentences): error falls
about as a power of the amount of data (Hestness et al. 2017, arXiv:1712.00409; Viering and Loog 2022,
arXiv:2103.10948), which over a doubling or two is nearly such a line, and three or four sizes with a few seeds do not
tell the three parameters of a power law apart. Since curves bend downwards, the line runs through the last two
doublings or, if that is less steep, the last one alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import require

__all__ = ["Change", "Forecast", "Judgement", "interval_of_mean", "judge"]

WORTH = 0.01
"""A gain of F1 in a doubling of the sentences that is worth the labels: a point."""

LEVEL = 0.95
_FAR = 1.6  # doublings between the last two sizes from which on they say nothing about the curve's end
_RECENT = 2.1  # doublings before the last size that the line runs through
_MOST_SEEDS = 100

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """How F1 changed from one size to another.

    Attributes:
        from_sentences: the smaller size, the mean over seeds.
        to_sentences: the larger one.
        doublings: log2 of their ratio.
        f1: the mean difference.
        deviation: the standard deviation of the seeds' differences; None for one seed.
        interval: 95% interval of the mean difference; None for one seed.
    """

    from_sentences: float
    to_sentences: float
    doublings: float
    f1: float
    deviation: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Forecast:
    """What twice as many sentences would bring if F1 went on along a line through the last sizes.

    Attributes:
        sentences: twice the largest size.
        gain: of F1.
        interval: 95% interval of the gain.
        sizes: how many sizes the line runs through.
    """

    sentences: float
    gain: float
    interval: tuple[float, float]
    sizes: int


@dataclass(frozen=True)
class Judgement:
    """Whether more labels would help.

    Attributes:
        case: `rising`, `slow` (rising by less than a point a doubling), `flat`, `falling`, `unclear` (too few
            seeds), `one seed`, `one size`, `coarse` (the last sizes lie too far apart), `full` (less than a point
            is left to gain) or `unlearned` (a training on one of the sizes that count learned nothing).
        words: the same in a sentence or two.
        change: of F1 over the last doubling, or what comes nearest to one; None for one size.
        forecast: None where nothing can be said.
        seeds_wanted: for `unclear`, how many seeds would tell if they differed as much; None if over 100.
    """

    case: str
    words: str
    change: Change | None = None
    forecast: Forecast | None = None
    seeds_wanted: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON values."""
        change, forecast = self.change, self.forecast
        return {
            "case": self.case,
            "words": self.words,
            "change": change
            and {
                "from": change.from_sentences,
                "to": change.to_sentences,
                "doublings": change.doublings,
                "f1": change.f1,
                "deviation": change.deviation,
                "interval": change.interval and list(change.interval),
            },
            "forecast": forecast
            and {
                "sentences": forecast.sentences,
                "gain": forecast.gain,
                "interval": list(forecast.interval),
                "sizes": forecast.sizes,
            },
            "seeds_wanted": self.seeds_wanted,
        }


def judge(sentences: Values, f1: Values, *, support: int, split: str = "validation") -> Judgement:
    """Say whether more labels would help.

    Args:
        sentences: shape (sizes, seeds): training sentences, growing from size to size.
        f1: shape (sizes, seeds): what was reached with them, in 0..1.
        support: gold spans in the split that was scored. F1 moves there in steps of about one in that many, so
            seeds that agree better than such steps allow are not taken to agree exactly.
        split: which split that was.
    """
    sizes, seeds = f1.shape
    last = float(f1[-1].mean())
    step = (
        1 / max(support, 1) / math.sqrt(6)
    )  # deviation of a difference of two values rounded to 1 / support
    change = _last_change(sentences, f1, step) if sizes > 1 else None
    if unlearned := _unlearned(sentences, f1, change):
        return Judgement("unlearned", unlearned, change)
    if change is None:
        return Judgement(
            "one size", "One size says nothing about more labels: give at least two, as in --shares 0.5 1."
        )
    moved = f"from {change.from_sentences:,.0f} to {change.to_sentences:,.0f} sentences F1 {_moved(change)}"
    if last > 1 - WORTH:
        words = f"Less than a point is left to gain on the {split} split: {moved}, to {last:.4f}."
        return Judgement("full", words, change)
    if change.doublings > _FAR:
        words = (
            f"The sizes lie too far apart: {moved}, and nothing between them says whether it still rises at the"
            " end; add a share of about half the largest."
        )
        return Judgement("coarse", words, change)
    if change.interval is None:
        words = f"One seed cannot tell: {moved}, and nothing says how much of that is chance; give --seeds 3."
        return Judgement("one seed", words, change)
    low, high = (bound / change.doublings for bound in change.interval)
    forecast = _forecast(sentences, f1, change, step)
    if high < 0:
        words = (
            f"More labels of this kind made it worse: {moved}. Look at the data (tagwright inspect) and at the"
            " recipe before labelling more."
        )
        return Judgement("falling", words, change)
    if low > 0:
        case, start = ("slow", "would help, but little") if high < WORTH else ("rising", "would help")
        return Judgement(case, f"More labels {start}: {moved}. {_foretell(forecast, last)}", change, forecast)
    if high < WORTH:
        words = f"More labels like these would hardly help: {moved}, flat within the noise of the seeds."
        return Judgement("flat", f"{words} {_foretell(forecast, last)}", change, forecast)
    wanted = _seeds_wanted(change, seeds)
    told = (
        f"at least {wanted} would be needed if they go on to differ as much (--resume --seeds {wanted})"
        if wanted
        else f"even {_MOST_SEEDS} seeds would not tell; a larger {split} split may"
    )
    words = f"{seeds} seeds are too few to tell: {moved}, which may be no gain or one worth having; {told}."
    return Judgement("unclear", words, change, None, wanted)


def interval_of_mean(values: Values, least: float = 0.0) -> tuple[float, float] | None:
    """Return Student's 95% interval of the mean of a sample; None for a single value.

    Args:
        values: shape (n,).
        least: the deviation is taken to be at least this.
    """
    if len(values) < 2:
        return None
    half = _half_width(max(float(values.std(ddof=1)), least), len(values))
    mean = float(values.mean())
    return mean - half, mean + half


def _half_width(deviation: float, count: int) -> float:
    quantile = require("scipy.special", "train").stdtrit(count - 1, (1 + LEVEL) / 2)
    return float(quantile) * deviation / math.sqrt(count)


def _unlearned(sentences: Values, f1: Values, change: Change | None) -> str | None:
    """Say, if it is so, that one of the sizes that count was too small to learn anything from."""
    ends = sentences.mean(axis=1)
    for size in (-1, *([] if change is None else [int((ends == change.from_sentences).argmax())])):
        if f1[size].min() < WORTH:
            return (
                f"With {ends[size]:,.0f} sentences a training learned nothing (F1 {f1[size].min():.4f}), so this says"
                " nothing about labels: train longer, as in --set train.epochs=10, or give larger shares."
            )
    return None


def _last_change(sentences: Values, f1: Values, step: float) -> Change:
    """Measure the change from the size that comes nearest to half the last one."""
    doublings = np.log2(sentences[-1] / sentences[:-1]).mean(axis=1)
    half = int(np.abs(doublings - 1).argmin())
    difference = f1[-1] - f1[half]
    interval = interval_of_mean(difference, step)
    return Change(
        from_sentences=float(sentences[half].mean()),
        to_sentences=float(sentences[-1].mean()),
        doublings=float(doublings[half]),
        f1=float(difference.mean()),
        deviation=None if interval is None else max(float(difference.std(ddof=1)), step),
        interval=interval,
    )


def _forecast(sentences: Values, f1: Values, change: Change, step: float) -> Forecast:
    """Fit a line in log2(sentences) for each seed; its slope is the gain of a doubling."""
    assert change.interval is not None
    places = np.log2(sentences)
    recent = ((places[-1] - places).mean(axis=1) <= _RECENT) & (f1.min(axis=1) >= WORTH)
    recent[-2:] = True
    centred = places[recent] - places[recent].mean(axis=0)
    spread = (centred**2).sum(axis=0)
    slopes = (centred * f1[recent]).sum(axis=0) / spread
    gain, sizes = float(slopes.mean()), int(recent.sum())
    low, high = interval_of_mean(slopes, step / float(np.sqrt(spread.mean()))) or change.interval
    if change.f1 / change.doublings <= gain:
        gain, sizes = change.f1 / change.doublings, 2
        low, high = (bound / change.doublings for bound in change.interval)
    room = 1 - float(f1[-1].mean())
    return Forecast(
        sentences=2 * float(sentences[-1].mean()),
        gain=min(gain, room),
        interval=(min(low, room), min(high, room)),
        sizes=sizes,
    )


def _seeds_wanted(change: Change, seeds: int) -> int | None:
    """Return how many seeds would make the interval leave out either no gain or one that is worth having."""
    assert change.deviation is not None
    mean, worth = change.f1, WORTH * change.doublings
    narrow = max(abs(mean), worth - mean)
    return next(
        (
            count
            for count in range(seeds + 1, _MOST_SEEDS + 1)
            if _half_width(change.deviation, count) < narrow
        ),
        None,
    )


def _moved(change: Change) -> str:
    verb = "rose" if change.f1 > 0 else "fell" if change.f1 < 0 else "changed"
    text = f"{verb} by {abs(change.f1):.4f}"
    if change.interval is not None:
        low, high = change.interval
        text += f" (95% interval over seeds {low:+.4f} to {high:+.4f})"
    return text


def _foretell(forecast: Forecast, last: float) -> str:
    low, high = forecast.interval
    line = (
        "at that rate" if forecast.sizes == 2 else f"along the line through the last {forecast.sizes} sizes"
    )
    caution = "; curves flatten, so expect less rather than more" if forecast.gain > 0 else ""
    return (
        f"If F1 went on {line}, {forecast.sentences:,.0f} sentences would bring {forecast.gain:+.4f}"
        f" ({low:+.4f} to {high:+.4f}) on {last:.4f}{caution}."
    )
