"""Where files lie: a path of this machine or an address, behind one kind of file system."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tagwright.errors import InputError, RunError, require

__all__ = ["Place", "telling"]

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = ("file", "s3", "gs", "hf")
_SAME = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}


class Place:
    """A file or a folder, which need not be there.

    >>> place = Place.of("s3://bucket/corpus") / "part-000000.parquet"  # doctest: +SKIP
    >>> place.path, str(place)  # doctest: +SKIP
    ('bucket/corpus/part-000000.parquet', 's3://bucket/corpus/part-000000.parquet')

    Attributes:
        fs: the `pyarrow.fs.FileSystem`.
        path: how the file system calls it; absolute where it is a path of this machine.
        given: how the user calls it, from which `Place.of` makes it again.
    """

    def __init__(self, fs: Any, path: str, given: str) -> None:
        self.fs = fs
        self.path = path
        self.given = given

    @classmethod
    def of(cls, given: str | Path) -> Self:
        """Make the place of a path, or of an address that begins with `file://`, `s3://`, `gs://` or `hf://`.

        Nothing is read. An address may end with the file system's options, as in
        `s3://bucket/folder?endpoint_override=127.0.0.1:9000&scheme=http&region=us-east-1`; without a region, S3 is
        asked for the bucket's.

        Raises:
            InputError: the address is of another kind, names no bucket, or holds keys.
            RunError: the store could not be asked where the bucket is.
            MissingExtraError: pyarrow is not installed.
        """
        files: Any = require("pyarrow.fs", "scale")
        text = os.fspath(given)
        found = _ADDRESS.match(text)
        if isinstance(given, Path) or not found:
            if not text or "\0" in text:
                raise InputError(f"{text!r} is no path", mend="name a file, a folder or an address")
            return cls(files.LocalFileSystem(), os.path.abspath(text), text)
        scheme = _SAME.get(found[1].lower(), found[1].lower())
        if scheme not in _SCHEMES:
            raise InputError(
                f"{found[1]}:// is not read or written",
                where=text,
                mend="name a path, or s3://, gs:// or hf://",
            )
        split = urlsplit(text)
        if scheme == "file":
            return cls(files.LocalFileSystem(), os.path.abspath(unquote(split.path) or "/"), text)
        if "@" in split.netloc and scheme != "hf":
            raise InputError(
                "an address with keys in it would be shown to whoever reads the output",
                where=f"{scheme}://…@{split.netloc.rpartition('@')[2]}{split.path}",
                mend="give keys in the environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        if not split.netloc:
            raise InputError("it names no bucket", where=text, mend=f"write {scheme}://BUCKET/FOLDER")
        if scheme == "hf":
            return cls(_hub(files), text.partition("://")[2].rstrip("/"), text)
        with telling(text):
            try:
                fs, path = files.FileSystem.from_uri(f"{scheme}://{text.partition('://')[2]}")
            except (ValueError, NotImplementedError) as error:  # options that it does not know
                raise InputError(_first_line(error), where=text, mend="correct the address") from None
        return cls(fs, path.rstrip("/"), text)

    def __truediv__(self, name: str) -> Place:
        given, mark, options = self.given.partition("?") if not self.is_local else (self.given, "", "")
        return Place(self.fs, f"{self.path.rstrip('/')}/{name}", f"{given.rstrip('/')}/{name}{mark}{options}")

    def __str__(self) -> str:
        return self.given

    def __repr__(self) -> str:
        return f"Place({self.given!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self.path == other.path and bool(self.fs.equals(other.fs))

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return bool(self.fs.type_name == "local")

    @property
    def local(self) -> Path:
        """The path; only where it is one of this machine."""
        if not self.is_local:
            raise ValueError(f"{self.given} is no path of this machine")
        return Path(self.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def info(self) -> Any:
        """Return the `pyarrow.fs.FileInfo`: `type`, `size`, `mtime_ns`; of type NotFound where nothing is there.

        Raises:
            RunError: it cannot be looked at.
        """
        with telling(self.given):
            return self.fs.get_file_info(self.path)

    @property
    def kind(self) -> str | None:
        """`file` or `folder`; None where nothing is there."""
        return {2: "file", 3: "folder"}.get(self.info().type.value)

    def files(self) -> list[Any]:
        """Return the `FileInfo` of all that lies in the folder, by name; nothing where there is no folder.

        Raises:
            RunError: it cannot be looked at.
        """
        selector: Any = require("pyarrow.fs", "scale").FileSelector(self.path, allow_not_found=True)
        with telling(self.given):
            return sorted(self.fs.get_file_info(selector), key=lambda info: info.path)

    def read_bytes(self) -> bytes | None:
        """Return what is in the file; None where there is none.

        Raises:
            RunError: it cannot be read.
        """
        with telling(self.given):
            try:
                with self.fs.open_input_stream(self.path, compression=None) as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None


class telling:  # noqa: N801 - a context manager, used like a function
    """Turn what a file system raises in the block into an error that names the address.

    >>> with telling("s3://bucket/a"):  # doctest: +SKIP
    ...     fs.open_input_file("bucket/a")
    """

    error: type[RunError] = RunError

    def __init__(self, given: str | Path | Place) -> None:
        self._given = str(given)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            what, mend = self.reason(error)
            raise self.error(what, where=self._given, mend=mend) from error

    def reason(self, error: OSError) -> tuple[str, str | None]:
        """Say what went wrong, and the mend."""
        text = str(error)
        if error.errno is not None:  # Arrow's own have no number
            return os.strerror(error.errno).lower(), None
        mend = None
        if "ACCESS_DENIED" in text or "HTTP status 403" in text or "Forbidden" in text:
            mend = (
                "give keys that may read and write there, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        elif "NETWORK_CONNECTION" in text or "Could not resolve" in text or "curlCode" in text:
            mend = "is the address right, and the network up?"
        return _first_line(error), mend


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _hub(files: Any) -> Any:
    hub: Any = require("huggingface_hub", "train")
    return files.PyFileSystem(files.FSSpecHandler(hub.HfFileSystem()))
