"""How often a fragment was begun: one that kills whoever tags it is given up, and named."""

from __future__ import annotations

import uuid
from contextlib import suppress

from tagwright.scale.output import Output, writing

__all__ = ["DEATHS", "Tries"]

DEATHS = 3
"""Deaths of workers on one fragment after which it is given up."""


class Tries:
    """Marks in the run's own folder, one for each time that a fragment was begun and not ended.

    They outlive the worker, which is all that is needed to count its deaths; those of an earlier run do not count.
    """

    def __init__(self, output: Output, token: str) -> None:
        """Take down where the marks are.

        Args:
            output: the folder.
            token: names the run.
        """
        self._output = output
        self._stage = output.stage(token)

    def begin(self, number: int) -> int:
        """Mark that a fragment is begun, and return how many workers died on it before.

        Raises:
            OutputError: the mark cannot be written.
        """
        place = self._stage / f"{_name(number)}{uuid.uuid4().hex[:8]}"
        before = len(self._of(number))
        with writing(place):
            if place.is_local:
                place.local.touch()
            else:
                self._output.put(place, b".")  # an empty object may be taken for a folder
        return before

    def end(self, number: int) -> None:
        """Take the marks of a fragment away: it is done, or has failed in a way that is told."""
        for path in self._of(number):
            with suppress(OSError):  # there may be a second try at it just now
                self._stage.fs.delete_file(path)

    def _of(self, number: int) -> list[str]:
        return [info.path for info in self._stage.files() if info.base_name.startswith(_name(number))]


def _name(number: int) -> str:
    return f"try-{number:06d}-"
