"""Bytes on disk to text, with an error that names the place."""

from __future__ import annotations

from pathlib import Path

from tagwright.errors import InputError

__all__ = ["read_bytes", "read_text"]

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


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: it is missing, a folder, unreadable or empty.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except IsADirectoryError:
        raise InputError("a folder stands where a file is wanted", where=str(path)) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from None
    if not data:
        raise InputError("the file is empty", where=str(path))
    return data


def read_text(path: str | Path) -> str:
    """Read a whole UTF-8 file; a byte order mark at its beginning is dropped.

    Raises:
        InputError: it is missing, a folder, unreadable, empty, binary or not UTF-8 (the line is named).
    """
    return decode(read_bytes(path), str(path))


def decode(data: bytes, where: str) -> str:
    """Decode UTF-8; see `read_text`."""
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            mend = "convert it to UTF-8" if "text" in kind else "unpack or convert it first"
            raise InputError(f"the file is {kind}, not UTF-8 text", where=where, mend=mend)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if b"\x00" in data[:8192]:
            raise InputError("the file is binary, not UTF-8 text", where=where) from None
        raise InputError(
            f"invalid UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            where=f"{where}:{line}",
            mend="convert the file to UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)",
        ) from None
    return text.removeprefix("\ufeff")
