"""What an engine tells of its work, to whoever counts it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Hooks"]


class Hooks:
    """Takes the counts of any number of engines and does nothing with them: the base of what counts.

    The methods are called from the engines' threads, after the work and not within it.
    """

    def batch(self, model: str, windows: int, pieces: int) -> None:
        """One call of the model, of so many windows and pieces, padding included."""

    def words(self, model: str, n: int) -> None:
        """So many words were answered."""

    def windows(self, model: str, n: int) -> None:
        """The texts answered took so many windows."""

    def overflows(self, model: str, n: int) -> None:
        """So many of the texts answered took more than one window, or were cut."""

    def entities(self, model: str, counts: Mapping[str, int]) -> None:
        """So many entities of each type were answered."""

    def stage(self, model: str, name: str, seconds: float) -> None:
        """A stage took so long: `queue` of an ask; `encode`, `compute`, `decode` of what is computed together."""

    def queue(self, model: str, asks: int) -> None:
        """So many asks are taken and not answered."""
