"""What a temperature and thresholds do on a split: calibration before and after, entities kept and dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagwright.score.calibration import Calibration, log_loss, measure_spans
from tagwright.score.tagged import TaggedSplit
from tagwright.score.temperature import EntityWords
from tagwright.score.thresholds import TypeEffect, effects_of

__all__ = ["Effect", "effect_on"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What temperature and thresholds do on a split.

    Attributes:
        split: the split's name.
        sentences: its sentences.
        entities: entities that the tagger predicts in it, before any threshold.
        gold: entities in its gold tags.
        before: the calibration of the scores as the model gives them.
        after: the calibration at the temperature.
        log_loss: of the scores against right and wrong, before and after.
        types: what the thresholds do to each type.
        together: the same for all types together.
    """

    split: str
    sentences: int
    entities: int
    gold: int
    before: Calibration
    after: Calibration
    log_loss: tuple[float, float]
    types: tuple[TypeEffect, ...]
    together: TypeEffect

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        sides = {
            name: {"ece": side.ece, "log_loss": loss, "bins": side.to_dict()["bins"]}
            for name, side, loss in zip(
                ("before", "after"), (self.before, self.after), self.log_loss, strict=True
            )
        }
        return {
            "split": self.split,
            "sentences": self.sentences,
            "entities": self.entities,
            "gold": self.gold,
            **sides,
            "types": [row.to_dict() for row in self.types],
            "all": self.together.to_dict(),
        }


def effect_on(
    tagged: TaggedSplit, words: EntityWords, temperature: float, thresholds: Mapping[str, float]
) -> Effect:
    """Measure what a temperature and thresholds do on a split that was tagged without either."""
    scored = words.at(temperature)
    types, together = effects_of(scored, tagged.labels.types, thresholds)
    return Effect(
        split=tagged.split,
        sentences=len(tagged.offsets) - 1,
        entities=len(scored),
        gold=int(scored.gold.sum()),
        before=measure_spans(words.scored),
        after=measure_spans(scored, temperature=temperature),
        log_loss=(log_loss(words.scored), log_loss(scored)),
        types=tuple(types),
        together=together,
    )
