"""An ask on its way through an engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tagwright.records import Sentence
from tagwright.serve.ask import Answer, Ask
from tagwright.serve.refusal import RefusalError

__all__ = ["DroppedError", "Job"]


class DroppedError(Exception):
    """Nobody waits for the answer any more."""


class Job:
    """An ask, who waits for its answer, and what has become of it.

    The event loop's thread makes it and sets `dropped`; one other thread at a time writes the rest.

    Attributes:
        ask: what is asked.
        future: what the asker waits for; None where the job is worked on without an event loop.
        characters: of all its texts; each word counts one more, and so does each text.
        taken: when the job was made, in seconds of `time.perf_counter`.
        dropped: nobody waits any more.
        sentences: the texts, split into words.
        outcome: the answers or the refusal; None as long as there is neither.
    """

    __slots__ = ("ask", "characters", "dropped", "future", "outcome", "sentences", "taken")

    def __init__(self, ask: Ask, future: asyncio.Future[list[Answer]] | None = None) -> None:
        self.ask = ask
        self.future = future
        self.characters = _characters(ask)
        self.taken = time.perf_counter()
        self.dropped = False
        self.sentences: Sequence[Sentence] = ()
        self.outcome: list[Answer] | RefusalError | None = None

    def refuse(self, refusal: RefusalError) -> None:
        """Take a refusal for outcome, and let go of what the error's traceback holds: the text and its words."""
        refusal.__cause__ = refusal.__context__ = refusal.__traceback__ = None
        self.sentences = ()
        self.outcome = refusal

    def settle(self) -> None:
        """Hand the outcome to the asker, who may have gone; in the event loop's thread."""
        if self.future is None or self.future.done():
            return
        if isinstance(self.outcome, RefusalError):
            self.future.set_exception(self.outcome)
        elif self.outcome is not None:
            self.future.set_result(self.outcome)


def _characters(ask: Ask) -> int:
    if ask.texts is not None:
        return sum(map(len, ask.texts)) + len(ask.texts)
    # No words in `words` is one text's worth; words may be empty, and still take a piece each.
    return sum(sum(map(len, words)) + len(words) + 1 for words in ask.words or ())
