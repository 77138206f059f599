"""Every error Tagwright raises on purpose. Each says what is wrong, where, and the mend, in one line."""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["InputError", "MissingExtraError", "RunError", "TagwrightError", "require"]


class TagwrightError(Exception):
    """The base class.

    Attributes:
        exit_code: what the command line exits with: 2 when the call or the input is wrong, 1 when the work failed.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what = what
        self.where = where
        self.mend = mend
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}; {mend}" if mend else line)


class InputError(TagwrightError, ValueError):
    """The call or the input is wrong: a missing file, a bad line, an unknown setting."""

    exit_code = 2


class RunError(TagwrightError, RuntimeError):
    """The input was right, and the work failed all the same: a full disk, a loss that is not finite."""


class MissingExtraError(TagwrightError, ImportError):
    """A part of Tagwright needs packages that are not installed."""

    exit_code = 2


def require(module: str, extra: str) -> ModuleType:
    """Import a module that belongs to an extra.

    Args:
        module: the dotted name to import.
        extra: the extra of Tagwright that installs it.

    Raises:
        MissingExtraError: the module is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{module.partition('.')[0]} is not installed", mend=f"pip install 'tagwright[{extra}]'"
        ) from error
