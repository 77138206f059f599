"""Recipes, the training loop, checkpoints and the record of a run; callable as `tagwright.train.engine.train`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.train.engine", "train")
