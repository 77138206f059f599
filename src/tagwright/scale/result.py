"""How far a run is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tagwright.scale.fragment import Counts

__all__ = ["Annotated", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run is.

    Attributes:
        fragments: how many there are.
        done: how many are done, by this call or one before it.
        counts: of those that are done.
        words: words tagged by this call.
        now: fragments done by this call.
        seconds: since this call began to tag.
        workers: how many tag at once.
    """

    fragments: int
    done: int
    counts: Counts
    words: int = 0
    now: int = 0
    seconds: float = 0.0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Annotated:
    """What came of a corpus.

    Attributes:
        path: the folder, as it was given.
        fragments: how many files of rows there are.
        counts: of the whole corpus.
        machine: what computed it: the runtime, the precision, the device.
        done_before: fragments that earlier calls had done.
        words_now: words tagged by this call.
        seconds: that this call took.
        notices: what there is to say of the input.
    """

    path: str
    fragments: int
    counts: Counts
    machine: Mapping[str, Any]
    done_before: int
    words_now: int
    seconds: float
    notices: tuple[str, ...] = ()

    @property
    def was_finished(self) -> bool:
        """Whether nothing was left to do."""
        return self.done_before == self.fragments

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found = asdict(self)
        return {"path": found.pop("path"), **found.pop("counts"), **found, "notices": list(self.notices)}
