"""Bytes on disk to text, with an error that names the place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tagwright.errors import InputError

__all__ = ["read_blocks", "read_bytes", "read_text"]

_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "gzip-compressed",
    b"BZh": "bzip2-compressed",
    b"\xfd7zXZ": "xz-compressed",
    b"\x28\xb5\x2f\xfd": "zstd-compressed",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}

_BLANK_LINE = re.compile(rb"\n[ \t]*\r?(?=\n)")


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: it is missing, a folder, unreadable or empty.
    """
    with _told(path):
        data = Path(path).read_bytes()
    if not data:
        raise InputError("the file is empty", where=str(path))
    return data


@contextmanager
def _told(path: str | Path) -> Iterator[None]:
    """Turn the errors of the system into one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except IsADirectoryError:
        raise InputError("a folder stands where a file is wanted", where=str(path)) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from None


def read_text(path: str | Path) -> str:
    """Read a whole UTF-8 file; a byte order mark at its beginning is dropped.

    Raises:
        InputError: it is missing, a folder, unreadable, empty, binary or not UTF-8 (the line is named).
    """
    return decode(read_bytes(path), str(path))


def read_blocks(path: str | Path, size: int) -> Iterator[str]:
    """Read a UTF-8 file in blocks that end with a blank line, and a last one that ends with the file.

    Args:
        path: the file; it need not be one that can be read twice.
        size: about how many bytes a block holds; more where no line is blank.

    Raises:
        InputError: as for `read_text`.
    """
    where = str(path)
    rest = b""
    lines = offset = 0
    with _told(path):
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening and reading are told
    with file:
        while True:
            with _told(path):
                read = file.read(max(size, len(rest)))
            if not read:
                break
            data = rest + read
            cut = _last_blank_line(data)
            block, rest = data[:cut], data[cut:]
            if block:
                yield decode(block, where, lines=lines, offset=offset)
                lines, offset = lines + block.count(b"\n"), offset + len(block)
    if rest:
        yield decode(rest, where, lines=lines, offset=offset)
    elif not offset:
        raise InputError("the file is empty", where=where)


def _last_blank_line(data: bytes) -> int:
    """Return where the last blank line ends; 0 if there is none."""
    for blank in (b"\n\n", b"\n\r\n"):
        if (found := data.rfind(blank)) >= 0:
            return found + len(blank)
    return max((match.end() + 1 for match in _BLANK_LINE.finditer(data)), default=0)


def decode(data: bytes, where: str, *, lines: int = 0, offset: int = 0) -> str:
    """Decode UTF-8; see `read_text`.

    Args:
        data: the bytes.
        where: the file, for messages.
        lines: how many lines of the file lie before them.
        offset: how many bytes do; only at the beginning of the file can its format be told, and is a byte order
            mark dropped.
    """
    for magic, kind in _MAGIC.items():
        if not offset and data.startswith(magic):
            mend = "convert it to UTF-8" if "text" in kind else "unpack or convert it first"
            raise InputError(f"the file is {kind}, not UTF-8 text", where=where, mend=mend)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = lines + data.count(b"\n", 0, error.start) + 1
        if b"\x00" in data[:8192]:
            raise InputError("the file is binary, not UTF-8 text", where=where) from None
        raise InputError(
            f"invalid UTF-8: byte 0x{data[error.start]:02x} at offset {offset + error.start}",
            where=f"{where}:{line}",
            mend="convert the file to UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)",
        ) from None
    return text if offset else text.removeprefix("\ufeff")
