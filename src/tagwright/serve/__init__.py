"""A tagger as an HTTP service, with a page to try it on; callable as `tagwright.serve.server.serve`."""

from tagwright.rooms import make_callable

make_callable(__name__, "tagwright.serve.server", "serve")
