"""How a run went, kept in its checkpoints: what a resumed run tells is what an unbroken one would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["HISTORY", "History"]

HISTORY = "tagwright.history"
"""The key of the history in a checkpoint's state."""

POINTS = 100
"""Points of the curve of the loss, at most."""


class History:
    """The losses and the evaluations of a run.

    Attributes:
        evaluations: for each evaluation `step`, `epoch`, `loss` (the mean over the steps since the one before),
            `learning_rate` (of the encoder's top layer) and validation's `precision`, `recall` and `f1`.
        losses: `step` and `loss`, the mean over the steps since the point before.
    """

    def __init__(self) -> None:
        self.evaluations: list[dict[str, float | None]] = []
        self.losses: list[dict[str, float]] = []
        self._step = 0
        self._since_point = [0.0, 0]
        self._since_evaluation = [0.0, 0]

    def add(self, step: int, loss: float, *, total: int) -> None:
        """Add the loss of a batch; those of one step add up to the step's.

        Args:
            step: the step that the batch belongs to, from 1.
            loss: the batch's part of the mean loss of the step, on this process.
            total: steps of the whole run.
        """
        if step != self._step:
            every = -(-total // POINTS)
            if self._since_point[1] == every:
                self._close_point()
            self._step = step
            self._since_point[1] += 1
            self._since_evaluation[1] += 1
        self._since_point[0] += loss
        self._since_evaluation[0] += loss

    def evaluated(self, step: int, *, epoch: float | None, learning_rate: float, **scores: float) -> None:
        """Add an evaluation."""
        loss, steps = self._since_evaluation
        self._since_evaluation = [0.0, 0]
        entry = {"step": step, "epoch": epoch, "loss": loss / steps if steps else None}
        self.evaluations.append({**entry, "learning_rate": learning_rate, **scores})

    def record(self) -> dict[str, Any]:
        """Return what the bundle keeps: `history` and `losses`."""
        if self._since_point[1]:
            self._close_point()
        return {"history": self.evaluations, "losses": self.losses}

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values, for a checkpoint."""
        return dict(vars(self))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of a checkpoint."""
        vars(self).update(state)

    def _close_point(self) -> None:
        loss, steps = self._since_point
        self.losses.append({"step": self._step, "loss": loss / steps})
        self._since_point = [0.0, 0]
