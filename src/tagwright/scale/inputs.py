"""The files that an input is made of, and what a look at them tells."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["InputFile", "InputFiles", "Survey"]


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the input.

    Attributes:
        path: how its file system calls it.
        kind: `parquet`, `jsonl`, `text`, `conll` or `arrow`.
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


@dataclass(slots=True)
class Survey:
    """What is known of a file.

    Attributes:
        rows: how many rows, lines or sentences it has; None where it is packed.
        begins: of lines and sentences, where each fragment begins, in bytes.
        end: where the last line ends; None where that was not looked for.
        firsts: of sentences, the number of each fragment's first line, from 1.
        schema: of tables, the serialized Arrow schema.
        tagged: of sentences, whether they have tags.
        whole: whether all of it was looked at.
    """

    rows: int | None
    begins: list[int] = field(default_factory=list)
    end: int | None = None
    firsts: list[int] = field(default_factory=list)
    schema: bytes = b""
    tagged: bool = False
    whole: bool = True
