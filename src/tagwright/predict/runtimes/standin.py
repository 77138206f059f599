"""What stands in for a runtime: says of itself what that says, and computes through it."""

from __future__ import annotations

from tagwright.predict.runtimes import Runtime

__all__ = ["StandIn"]


class StandIn:
    """The base of such classes, which add `logits`.

    Attributes:
        name: the runtime's; and so `precision`, `device` and `batch_pieces`.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Take a runtime."""
        self.name = runtime.name
        self.precision = runtime.precision
        self.device = runtime.device
        self.batch_pieces = runtime.batch_pieces
        self._runtime = runtime
