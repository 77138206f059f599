"""A room that shares its name with a public function can be called as that function.

Python binds a package's submodules to its attributes, so once the room is imported `tagwright.train` is the room,
whatever the package defined under that name.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

__all__ = ["make_callable"]


class _Room(ModuleType):
    _function: tuple[str, str]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _find(self)(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(_find(self))


def _find(room: _Room) -> Any:
    home, name = room._function
    return getattr(importlib.import_module(home), name)


def make_callable(room: str, home: str, name: str) -> None:
    """Let a room's module be called; the function is imported on the first call.

    Args:
        room: the module's name.
        home: the module that defines the function.
        name: the function.
    """
    module: Any = sys.modules[room]
    module.__class__ = _Room
    module._function = (home, name)
