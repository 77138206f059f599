"""A trained bundle for other runtimes, with the proof that it answers the same; callable as `write.export`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.export.write", "export")
