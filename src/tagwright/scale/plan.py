"""What is to be done: the input cut into fragments, and the columns that it has."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, Self

from tagwright.errors import InputError, require
from tagwright.predict.lines import WORDS
from tagwright.predict.parquet import text_column
from tagwright.scale.columns import checked_schema, kept, one_schema, schema_bytes, schema_of
from tagwright.scale.cutting import MapFiles, Surveyed, cut, first_rows, kinds_of, matching, survey_all
from tagwright.scale.fragment import Fragment, Job
from tagwright.scale.inputs import InputFile
from tagwright.scale.jsonkinds import columns_of
from tagwright.scale.places import Place
from tagwright.scale.scan import Scan
from tagwright.scale.sentences import TAGS
from tagwright.scale.sources import find_files
from tagwright.scale.where import condition_of
from tagwright.scale.writing import check_writable

__all__ = ["MapFiles", "Plan", "make_plan"]

_SHOWN = 10


@dataclass(slots=True)
class Plan:
    """The fragments of an input.

    Attributes:
        fragments: in the order of the input.
        files: its files, with what changes when they change.
        schema: all its columns, as a serialized Arrow schema: what `Job.schema` is to be.
        notices: what the user is told.
    """

    fragments: list[Fragment]
    files: list[InputFile]
    schema: bytes
    notices: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        places = {file.path: position for position, file in enumerate(self.files)}
        return {
            "files": [list(astuple(file)) for file in self.files],
            "fragments": [
                [places[one.path], one.first, one.rows, one.begin, one.end, one.line, one.take]
                for one in self.fragments
            ],
            "schema": base64.b64encode(self.schema).decode(),
            "notices": list(self.notices),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return what `to_dict` made a record of.

        Raises:
            ValueError: it is none.
        """
        try:
            files = [
                InputFile(path, kind, size, mark, tuple((name, value) for name, value in added))
                for path, kind, size, mark, added in record["files"]
            ]
            fragments = [
                Fragment(
                    number,
                    files[place].path,
                    files[place].kind,
                    first,
                    rows,
                    begin,
                    end,
                    line,
                    take,
                    files[place].added,
                )
                for number, (place, first, rows, begin, end, line, take) in enumerate(record["fragments"])
            ]
            return cls(fragments, files, base64.b64decode(record["schema"]), list(record["notices"]))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"no plan: {error}") from None

    def check_unchanged(self, source: Place) -> None:
        """Refuse an input that is not the one of the plan.

        Raises:
            InputError: a file has changed, is gone or new.
        """
        mend = "bring the input back as it was, or begin again with --overwrite"
        try:
            now = {file.path: file for file in find_files(source).files}
        except InputError as error:
            raise InputError(error.what, where=error.where, mend=mend) from None
        before = {file.path: file for file in self.files}
        for path, file in before.items():
            if path not in now:
                raise InputError("the file is gone since the run was begun", where=path, mend=mend)
            if (now[path].size, now[path].mark) != (file.size, file.mark):
                raise InputError("the file has changed since the run was begun", where=path, mend=mend)
        if new := next((path for path in now if path not in before), None):
            raise InputError("the file is new since the run was begun", where=new, mend=mend)


def make_plan(
    source: Place, job: Job, *, fragment_rows: int, limit: int | None = None, map_files: MapFiles = map
) -> Plan:
    """Find what the input is made of, and cut it into fragments.

    Of Parquet only the ends of files are read. Files of lines are read once, to find where lines or sentences begin;
    JSON lines a second time, to find their columns.

    Args:
        source: the input.
        job: what will be done; its `schema` is not looked at.
        fragment_rows: rows of a fragment, a multiple of 1,024.
        limit: rows to keep, the first ones; None for all.
        map_files: how functions are run over parts of the input.

    Raises:
        InputError: the input cannot be read or does not go together, or the job does not suit it.
        RunError: a file cannot be read.
    """
    if fragment_rows < 1 or fragment_rows % 1024:
        raise InputError(f"a fragment cannot have {fragment_rows} rows", mend="give a multiple of 1,024")
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} leaves nothing", mend="give at least 1")
    if not job.into:
        raise InputError("the column of the entities has no name", mend="give one with --into NAME")
    found = find_files(source)
    scan = Scan(source, job, fragment_rows)
    notices = list(found.notices)
    if limit is not None and job.where is None:
        surveyed, fragments, kinds = first_rows(found, scan, limit, map_files)
    else:
        surveyed = survey_all(found.files, scan, map_files)
        fragments = cut(surveyed, fragment_rows)
        kinds = kinds_of(fragments, scan, map_files)[0] if found.kind == "jsonl" else {}
    schema = _schema(found.kind, surveyed, kinds, job, notices)
    job = replace(job, schema=schema_bytes(schema))
    columns = kept(job, schema)
    if job.form == "parquet":
        check_writable(columns, str(source))
    if job.where is not None:
        condition_of(job.where, job.schema)
        if limit is not None:
            fragments = matching(fragments, replace(scan, job=job), limit, map_files)
    if not fragments:
        file = found.files[0]
        fragments = [Fragment(0, file.path, file.kind, rows=0, added=file.added)]
    fragments = [replace(fragment, number=number) for number, fragment in enumerate(fragments)]
    return Plan(fragments, found.files, job.schema, notices)


def _schema(kind: str, surveyed: Surveyed, kinds: Mapping[str, Any], job: Job, notices: list[str]) -> Any:
    pa = require("pyarrow", "parquet")
    if kind == "text":
        return pa.schema([pa.field("line", pa.int64()), pa.field("text", pa.string())])
    if kind == "jsonl":
        return _json_schema(kinds, job, notices)
    if kind == "conll":
        return _conll_schema(pa, surveyed, notices)
    schemas: dict[str, Any] = {}
    seen: set[bytes] = set()
    for file, survey in surveyed:
        if survey.schema not in seen:
            seen.add(survey.schema)
            schema = checked_schema(schema_of(survey.schema), file.path)
            text_column(schema, file.path, job.field)
            schemas[file.path] = schema
    schema, lacking = one_schema(schemas)
    if lacking:
        more = f" and {len(lacking) - _SHOWN:,} more" if len(lacking) > _SHOWN else ""
        notices.append(f"null where a file lacks the column: {', '.join(lacking[:_SHOWN])}{more}")
    for name, values in _added(file for file, _ in surveyed).items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, pa.int64() if _are_whole(values) else pa.string()))
    return schema


def _conll_schema(pa: Any, surveyed: Surveyed, notices: list[str]) -> Any:
    words = pa.list_(pa.field("element", pa.string()))
    fields = [pa.field("line", pa.int64()), pa.field("tokens", words)]
    if any(survey.tagged for _, survey in surveyed):
        fields.append(pa.field(TAGS, words))
        bare = [file.path for file, survey in surveyed if survey.rows != 0 and not survey.tagged]
        if bare:
            more = f" and {len(bare) - 1:,} more" if len(bare) > 1 else ""
            notices.append(f"{TAGS!r} is null where a file has none: {bare[0]}{more}")
    return pa.schema(fields)


def _json_schema(kinds: Mapping[str, Any], job: Job, notices: list[str]) -> Any:
    schema, mixed = columns_of(kinds)
    if kinds and not any(name in kinds for name in (job.field, *WORDS)):
        raise InputError(
            f"no line has a key {job.field!r}; the keys are {', '.join(schema.names)}",
            where=job.source,
            mend="name the one of the text with --field",
        )
    if mixed and job.form == "parquet":
        shown = ", ".join(map(repr, mixed[:_SHOWN]))
        more = f" and {len(mixed) - _SHOWN:,} more" if len(mixed) > _SHOWN else ""
        notices.append(f"values of several kinds, which are written as JSON in a text: {shown}{more}")
    return schema


def _added(files: Iterable[InputFile]) -> dict[str, list[str | None]]:
    values: dict[str, list[str | None]] = {}
    for file in files:
        for name, value in file.added:
            values.setdefault(name, []).append(value)
    return values


def _are_whole(values: Iterable[str | None]) -> bool:
    """Tell whether values are whole numbers, none with a zero before it that a number would lose."""
    return all(value is None or (value.isdecimal() and str(int(value)) == value) for value in values)
