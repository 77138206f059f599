"""What passes between the driver and its workers: the job, its fragments, and what came of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Counts", "Fragment", "Job"]


@dataclass(frozen=True, slots=True)
class Fragment:
    """Rows of one input file that are tagged, written and committed together.

    Attributes:
        number: from 0, in the order of the input; it names the output, `part-000000.parquet`.
        path: the file, as its file system names it.
        kind: `parquet`, `jsonl`, `text`, `conll` or `arrow`; the rows are records, lines or, of CoNLL, sentences.
        first: the first row of the file that belongs to it, from 0; a multiple of 1,024.
        rows: how many rows; None for all that are left, in a file that is packed.
        begin: where the first line begins, in bytes; 0 where rows are found otherwise.
        end: where the last line ends, in bytes; None for the end of the file.
        line: of CoNLL, the number of the line that begins at `begin`.
        take: reading ends when so many rows were kept, those that fulfil `Job.where`; None for all.
        added: columns that all rows of the file get, and their value as text: of folders such as `year=2024`, and
            the `split` of a DatasetDict.
    """

    number: int
    path: str
    kind: str
    first: int = 0
    rows: int | None = None
    begin: int = 0
    end: int | None = None
    line: int = 1
    take: int | None = None
    added: Sequence[Sequence[str | None]] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with every fragment; the bytes of the output depend on it, the input and the bundle alone.

    Attributes:
        source: the input, as it was given: a path or an address such as `s3://bucket/folder`.
        field: the column of the text; where there is none of that name, `tokens` or `words` is read.
        columns: the columns of the input to keep; None for all.
        where: a condition in SQL that rows must fulfil, over the input's columns; None for none.
        into: the column that the entities are written to.
        form: `parquet` or `jsonl`.
        schema: all columns of the input, kept or not, as `Plan.schema` has them: a serialized Arrow schema.
    """

    source: str
    field: str = "text"
    columns: tuple[str, ...] | None = None
    where: str | None = None
    into: str = "entities"
    form: str = "parquet"
    schema: bytes = b""


@dataclass(slots=True)
class Counts:
    """What came of rows.

    Attributes:
        rows: rows read.
        left_out: rows that `where` or a limit left out.
        written: rows written.
        rejected: rows that could not be tagged or written, which are in the rejects with their reason.
        words: words tagged.
        entities: entities found.
        lost_words: words cut by `on_overflow = "truncate"`.
        dropped_entities: entities under the threshold of their type.
        first_reject: where the first rejected row stands, and its reason.
    """

    rows: int = 0
    left_out: int = 0
    written: int = 0
    rejected: int = 0
    words: int = 0
    entities: int = 0
    lost_words: int = 0
    dropped_entities: int = 0
    first_reject: str | None = None
