"""A fragment is written, moved to its place and recorded: once, whole, whatever dies on the way."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from io import RawIOBase
from typing import Any, BinaryIO, cast

from tagwright.predict.journal import sync_folder
from tagwright.scale.fragment import Counts, Fragment
from tagwright.scale.manifest import as_json
from tagwright.scale.output import Output, writing
from tagwright.scale.places import Place

__all__ = ["Hashed", "commit"]

Tag = Callable[[BinaryIO, BinaryIO], Counts]


class Hashed(RawIOBase):
    """A file that hashes what is written to it.

    Attributes:
        size: bytes written.
        place: what an error says cannot be written.
    """

    def __init__(self, file: Any, place: Place | str) -> None:
        super().__init__()
        self.size = 0
        self.place = place
        self._file = file
        self._sha = hashlib.sha256()

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes."""
        view = memoryview(data).cast("B")
        with writing(self.place):
            self._file.write(view)
        self._sha.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    @property
    def sha256(self) -> str:
        """The hash of what was written."""
        return self._sha.hexdigest()


def commit(
    output: Output, token: str, fragment: Fragment, tag: Tag, about: dict[str, Any], still: Callable[[], None]
) -> dict[str, Any]:
    """Write a fragment, move it to its place, and record it.

    Its file comes first, the record last: what has a record is done. The bytes depend on the fragment and the
    call alone, so that it does no harm to do one twice, be it at once.

    Args:
        output: the folder.
        token: names the run; see `Output.stage`.
        fragment: what is tagged.
        tag: writes the rows and the rejects to the two files it is given.
        about: what else is to be in the record.
        still: raises when the run is no longer the one that writes the folder.

    Returns:
        The record.

    Raises:
        OutputError: the output cannot be written.
    """
    keep = _Moved if output.place.is_local else _Uploaded
    targets = output.part(fragment.number), output.reject(fragment.number)
    with keep(output, token, targets[0]) as rows, keep(output, token, targets[1]) as rejects:
        counts = tag(cast(BinaryIO, rows.file), cast(BinaryIO, rejects.file))
        record = {
            **about,
            "fragment": as_json(fragment),
            "file": rows.about(targets[0].name),
            "rejects": rejects.about(targets[1].name) if rejects.file.size else None,
            "counts": asdict(counts),
        }
        still()
        rows.keep()
        if rejects.file.size:
            rejects.keep()
    with keep(output, token, output.record(fragment.number)) as file:
        file.file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        file.keep()
    return record


class _Kept:
    """A file that is thrown away unless it is kept."""

    file: Hashed

    def about(self, name: str) -> dict[str, Any]:
        return {"name": name, "bytes": self.file.size, "sha256": self.file.sha256}


class _Moved(_Kept):
    """A file of this machine, which is written in the run's own folder and moved out of it."""

    def __init__(self, output: Output, token: str, target: Place) -> None:
        self._target = target.local
        self._path = output.stage(token).local / f"{target.name}.{uuid.uuid4().hex[:8]}"
        with writing(target):
            self._raw = open(self._path, "wb")  # noqa: SIM115 - closed in __exit__
        self.file = Hashed(self._raw, target)

    def __enter__(self) -> _Moved:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._raw.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def keep(self) -> None:
        with writing(self.file.place):
            self._raw.flush()
            os.fsync(self._raw.fileno())
            if self._target.parent.name == "_rejects":
                self._target.parent.mkdir(exist_ok=True)
            os.replace(self._path, self._target)
            sync_folder(self._target.parent)


class _Uploaded(_Kept):
    """A file that is written to this machine's temporary folder, and copied to a store."""

    def __init__(self, output: Output, token: str, target: Place) -> None:
        self._output = output
        self._target = target
        where = tempfile.gettempdir()
        with writing(where):
            self._raw = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self.file = Hashed(self._raw, where)

    def __enter__(self) -> _Uploaded:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._raw.close()

    def keep(self) -> None:
        with writing(self.file.place):
            self._raw.flush()
            self._raw.seek(0)
        self._output.upload(self._target, self._raw)
