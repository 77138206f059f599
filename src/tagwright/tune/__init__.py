"""The search for a better recipe; callable as `tagwright.tune.search.tune`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.tune.search", "tune")
