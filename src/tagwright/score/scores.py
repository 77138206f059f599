"""Everything that is counted over gold and predicted tags, and its JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tagwright.score.resample import F1Intervals
from tagwright.score.semeval import Matched
from tagwright.score.surface import Surface
from tagwright.score.tally import Reading, ratio
from tagwright.score.units import Units

__all__ = ["Scores", "add_up"]

_NO_UNITS = Units()


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that was counted; parts of a data set add up: `sum(parts, Scores())`.

    Attributes:
        lenient: conlleval's reading, seqeval's default.
        strict: only spans that the scheme allows as they stand.
        boundary: borders alone decide (this and the next two after SemEval-2013; see `tagwright.score.semeval`).
        type: the type decides, where spans share words.
        partial: spans that share words count half.
        surface: distinct forms (WNUT 2017); None where the words are not known.
        lenient_units: lenient counts of each sentence and document, for the intervals.
        strict_units: strict counts of each sentence and document.
        correct_words: words whose predicted tag is the gold tag.
        words: words scored.
        sentences: sentences scored.
        lost_words: words that the tagger did not see; their gold spans count as missed.
        differing_words: words that are not the same in two files at the same position.
        notices: counted losses and facts, in words.
    """

    lenient: Reading = field(default_factory=Reading)
    strict: Reading = field(default_factory=Reading)
    boundary: Matched = field(default_factory=Matched)
    type: Matched = field(default_factory=Matched)
    partial: Matched = field(default_factory=Matched)
    surface: Surface | None = None
    lenient_units: Units = field(default_factory=lambda: _NO_UNITS)
    strict_units: Units = field(default_factory=lambda: _NO_UNITS)
    correct_words: int = 0
    words: int = 0
    sentences: int = 0
    lost_words: int = 0
    differing_words: int = 0
    notices: tuple[str, ...] = field(default=(), compare=False)

    def __add__(self, other: Scores) -> Scores:
        lenient_units = self.lenient_units + other.lenient_units
        same = all(part.strict_units is part.lenient_units for part in (self, other))
        return Scores(
            lenient=self.lenient + other.lenient,
            strict=self.strict + other.strict,
            boundary=self.boundary + other.boundary,
            type=self.type + other.type,
            partial=self.partial + other.partial,
            surface=self._add_surface(other),
            lenient_units=lenient_units,
            strict_units=lenient_units if same else self.strict_units + other.strict_units,
            correct_words=self.correct_words + other.correct_words,
            words=self.words + other.words,
            sentences=self.sentences + other.sentences,
            lost_words=self.lost_words + other.lost_words,
            differing_words=self.differing_words + other.differing_words,
            notices=self.notices + other.notices,
        )

    def _add_surface(self, other: Scores) -> Surface | None:
        """Join the forms; a part without words leaves the whole without, unless it holds no sentence at all."""
        if self.surface is not None and other.surface is not None:
            return self.surface + other.surface
        if self.surface is None:
            return None if self.sentences else other.surface
        return None if other.sentences else self.surface

    @property
    def accuracy(self) -> float:
        """Share of the words with the right tag."""
        return ratio(self.correct_words, self.words)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright score` and `tagwright evaluate`.

        The intervals are drawn here, a thousand resamples from a fixed seed, and nowhere before.
        """
        lenient = self.lenient_units.intervals()
        same = self.strict_units is self.lenient_units
        strict = lenient if same else self.strict_units.intervals()
        surface = {} if self.surface is None else {"surface": self.surface.to_dict()}
        return {
            "lenient": _with_intervals(self.lenient.to_dict(), lenient),
            "strict": _with_intervals(self.strict.to_dict(), strict),
            "boundary": self.boundary.to_dict(),
            "type": self.type.to_dict(),
            "partial": self.partial.to_dict(),
            **surface,
            "accuracy": self.accuracy,
            "f1_interval": list(lenient.micro),
            "interval_unit": self.lenient_units.name,
            "sentences": self.sentences,
            "words": self.words,
            "lost_words": self.lost_words,
            "differing_words": self.differing_words,
        }


def add_up(parts: Iterable[Scores]) -> Scores:
    """Add parts two by two, so that forms and tables are merged only a few times each."""
    sums: list[Scores] = []
    for number, part in enumerate(parts, 1):
        sums.append(part)
        while number % 2 == 0:
            number //= 2
            last = sums.pop()
            sums[-1] = sums[-1] + last
    total = Scores()
    for part in sums:
        total = total + part
    return total


def _with_intervals(reading: dict[str, Any], intervals: F1Intervals) -> dict[str, Any]:
    """Put the intervals beside the ratios of a reading; types that were not counted apart have none."""
    per_type = dict(reading.pop("per_type"))
    if not intervals.per_type.keys() >= per_type.keys():
        return {**reading, "f1_interval": list(intervals.micro), "per_type": per_type}
    return {
        **reading,
        "f1_interval": list(intervals.micro),
        "macro_f1_interval": list(intervals.macro),
        "per_type": {
            name: {**row, "f1_interval": list(intervals.per_type[name])} for name, row in per_type.items()
        },
    }
