"""Counts, ratios and intervals over gold and predicted spans; callable as `tagwright.score.counts.score`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.score.counts", "score")
