"""Counts, ratios and intervals over gold and predicted spans."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """Importing a part of this room puts the room where `tagwright.score`, the function, was; so call it."""

    def __call__(self, gold: Any, pred: Any, **options: Any) -> Any:
        """Call `tagwright.score.counts.score`."""
        from tagwright.score.counts import score

        return score(gold, pred, **options)


sys.modules[__name__].__class__ = _Room
