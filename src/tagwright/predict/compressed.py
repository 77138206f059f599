"""Files that are packed by gzip or zstd, read as if they were not; what they are is found from their first bytes."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from tagwright.errors import RunError

__all__ = ["is_packed", "open_unpacked", "unpacked", "unpacked_name"]

ENDINGS = (".gz", ".zst")
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"


def unpacked_name(path: str | Path) -> Path:
    """Return a file's name without the ending that a packer added.

    >>> str(unpacked_name("posts.jsonl.gz"))
    'posts.jsonl'
    """
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() in ENDINGS else path


@contextmanager
def open_unpacked(path: Path, *, opened: Callable[[BinaryIO], object] | None = None) -> Iterator[BinaryIO]:
    """Open a regular file for reading; anything else, such as a pipe, is read as it comes.

    Args:
        path: the file.
        opened: given the file as it lies on the disk, whose place tells how much of it was read.

    Raises:
        RunError: while it is read: the packed data is damaged or ends early.
    """
    with path.open("rb") as file:
        if opened is not None:
            opened(file)
        if not path.is_file():
            yield file
            return
        with unpacked(file, str(path)) as plain:
            yield plain


def is_packed(head: bytes) -> bool:
    """Tell from a file's first four bytes whether it is packed."""
    return head.startswith((GZIP, ZSTD))


@contextmanager
def unpacked(file: BufferedReader, name: str) -> Iterator[BinaryIO]:
    """Read a file from its beginning as if it were not packed.

    Args:
        file: the file, open at its beginning.
        name: what to call it in an error.

    Raises:
        RunError: while it is read: the packed data is damaged or ends early.
    """
    head = file.peek(4)
    if not is_packed(head):
        yield cast(BinaryIO, file)
        return
    if head.startswith(GZIP):
        damage: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, EOFError)
        plain = cast(BinaryIO, gzip.GzipFile(fileobj=file))
    else:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        damage = (zstd.ZstdError, EOFError)
        plain = cast(BinaryIO, zstd.ZstdFile(file))
    try:
        with plain:
            yield plain
    except damage as error:
        raise RunError(
            f"the packed data is damaged or ends early: {error}",
            where=name,
            mend="copy it again, whole",
        ) from error
