"""The files that an input is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["InputFile", "InputFiles"]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the input.

    Attributes:
        path: how its file system calls it.
        kind: `parquet`, `jsonl`, `text` or `arrow`.
        size: bytes.
        mark: changes when the file changes: the time of its last change, in nanoseconds; 0 where none is known.
        added: see `Fragment.added`.
    """

    path: str
    kind: str
    size: int
    mark: int
    added: tuple[tuple[str, str | None], ...] = ()


@dataclass(slots=True)
class InputFiles:
    """What the input is made of.

    Attributes:
        files: its files, in the order in which they are read.
        notices: what the user is told of what was passed over.
    """

    files: list[InputFile]
    notices: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The format of all files."""
        return self.files[0].kind
