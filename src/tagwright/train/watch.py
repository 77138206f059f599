"""Looks on while a run trains, and may end it: for a search, which prunes what goes badly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers

__all__ = ["StoppedByWatch", "Watch"]


class StoppedByWatch(Exception):  # noqa: N818 - nothing went wrong
    """The run was ended by the one who looked on; what it left in its folder is of no use."""


class Watch(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Tells how far a run is, and ends it where it is told to.

    Args:
        stepped: called after each step with the share of the run that is done, in 0..1.
        scored: called after each evaluation with that share, the epochs done and the validation F1; True ends the
            run with `StoppedByWatch`.
    """

    def __init__(
        self, stepped: Callable[[float], None], scored: Callable[[float, float, float], bool]
    ) -> None:
        self.stepped = stepped
        self.scored = scored

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell how far the run is."""
        self.stepped(state.global_step / max(state.max_steps, 1))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Tell the F1, and end the run if that is wanted.

        Raises:
            StoppedByWatch: it is wanted.
        """
        share = state.global_step / max(state.max_steps, 1)
        if self.scored(share, float(state.epoch or 0.0), float(metrics["eval_f1"])):
            raise StoppedByWatch
