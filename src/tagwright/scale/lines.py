"""Files of lines, packed or not, to the lines of a fragment."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from tagwright.errors import InputError, RunError
from tagwright.predict.compressed import unpacked
from tagwright.predict.rawlines import RawLine, raw_lines
from tagwright.scale.fragment import Fragment
from tagwright.scale.places import Place

__all__ = ["changed", "open_lines", "read_raw", "telling_of_changes"]


@contextmanager
def open_lines(source: Place, path: str, *, begin: int = 0) -> Iterator[Any]:
    """Open a file of lines, packed or not; `begin` is a place in one that is not."""
    with (
        source.fs.open_input_file(path) as raw,
        io.BufferedReader(raw, 1 << 20) as file,
    ):
        if begin:
            file.seek(begin)
            yield file
        else:
            with unpacked(file, path) as plain:
                yield plain


def read_raw(fragment: Fragment, source: Place) -> Generator[RawLine, None, None]:
    """Cut a fragment whose rows are lines into those; see `tagwright.scale.reading.read_chunks`."""
    last = None if fragment.rows is None else fragment.first + fragment.rows
    if last == fragment.first:
        return
    with telling_of_changes(fragment.path), open_lines(source, fragment.path, begin=fragment.begin) as file:
        number = fragment.first
        for row in raw_lines(file, first_line=fragment.first + 1, offset=fragment.begin):
            number = row[0]
            if number == last and fragment.end not in (None, row[2]):
                raise changed(fragment.path)
            yield row
            if number == last:
                break
        if last is not None and number < last:
            raise changed(fragment.path)


@contextmanager
def telling_of_changes(path: str) -> Iterator[None]:
    """Turn what a file system raises of a file that was there when the run was planned into an error of ours."""
    try:
        yield
    except FileNotFoundError:
        raise changed(path) from None
    except OSError as error:
        raise RunError(f"it cannot be read: {error}", where=path) from error


def changed(path: str) -> InputError:
    """Return the error for a file that is not what it was."""
    return InputError(
        "the file has changed since the run was planned",
        where=path,
        mend="bring it back as it was, or begin again with --overwrite",
    )
