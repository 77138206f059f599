"""Renders what it is given; callable as `tagwright.report.write.report`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.report.write", "report")
