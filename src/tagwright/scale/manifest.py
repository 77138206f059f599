"""What is done: a record of each fragment on the way, one manifest at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from tagwright.errors import InputError, RunError
from tagwright.scale.fragment import Counts, Fragment
from tagwright.scale.output import Output
from tagwright.scale.places import Place

__all__ = [
    "VERSION",
    "add_counts",
    "as_json",
    "check_complete",
    "from_json",
    "read_json",
    "read_records",
    "totals",
]

VERSION = 1


def read_json(place: Place) -> dict[str, Any] | None:
    """Return what a file of ours holds; None where there is none.

    Raises:
        InputError: it is damaged, or another version of Tagwright wrote it.
    """
    data = place.read_bytes()
    if data is None:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    mend = "begin again with --overwrite, or name another folder"
    if not isinstance(found, dict):
        raise InputError("the file is damaged", where=str(place), mend=mend)
    if found.get("version") != VERSION:
        raise InputError("another version of Tagwright wrote it", where=str(place), mend=mend)
    return found


def read_records(output: Output, fragments: Sequence[Fragment]) -> dict[int, dict[str, Any]]:
    """Return the records of fragments that are done, by number.

    A fragment is done when it has a record, and its files have the sizes that the record says. Hashes are not
    looked at: a record is written after its files have reached the disk or the store, and reading the whole output
    again would cost as much as writing it.
    """
    parts, rejects = output.parts(), output.reject_sizes()
    known = {fragment.number: as_json(fragment) for fragment in fragments}

    def read(info: Any) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads(
                Place(output.place.fs, info.path, info.path).read_bytes() or b""
            )
            file, reject = record["file"], record["rejects"]
            Counts(**record["counts"])
            whole = (
                record["fragment"] == known.get(record["fragment"]["number"])
                and parts.get(file["name"]) == file["bytes"]
                and (reject is None or rejects.get(reject["name"]) == reject["bytes"])
            )
        except (ValueError, KeyError, TypeError):  # a record that a loss of power has damaged
            return None
        return record if whole else None

    named = [
        info for info in output.done.files() if info.base_name.endswith(".json") and info.base_name[0] != "."
    ]
    with ThreadPoolExecutor(
        1 if output.place.is_local else 32
    ) as pool:  # a store answers late, and many at once
        found = [record for record in pool.map(read, named) if record is not None]
    return {record["fragment"]["number"]: record for record in sorted(found, key=_number)}


def as_json(fragment: Fragment) -> dict[str, Any]:
    """Return a fragment as JSON gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(fragment)))
    return found


def from_json(found: Mapping[str, Any]) -> Fragment:
    """Return the fragment that `as_json` made something of."""
    return Fragment(**{name: _as_tuples(value) for name, value in found.items()})


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _number(record: Mapping[str, Any]) -> int:
    return int(record["fragment"]["number"])


def totals(records: Iterable[Mapping[str, Any]]) -> Counts:
    """Add up the counts of fragments; the first reject is that of the first fragment that has one."""
    total = Counts()
    for record in sorted(records, key=_number):
        add_counts(total, record)
    return total


def add_counts(total: Counts, record: Mapping[str, Any]) -> None:
    """Add the counts of a fragment to those of others."""
    for name, value in record["counts"].items():
        if name == "first_reject":
            total.first_reject = total.first_reject or value
        else:
            setattr(total, name, getattr(total, name) + value)


def check_complete(
    output: Output,
    fragments: Sequence[Fragment],
    records: Mapping[int, Mapping[str, Any]],
    *,
    mend: str = "give the same call again",
) -> None:
    """Refuse to call a folder finished in which a file is missing, is of another size, or is one too many.

    Raises:
        RunError: which one.
    """
    parts, rejects = output.parts(), output.reject_sizes()
    for fragment in fragments:
        record = records.get(fragment.number)
        if record is None:
            raise RunError(f"fragment {fragment.number} is not done", where=str(output.place), mend=mend)
        for there, file in ((parts, record["file"]), (rejects, record["rejects"])):
            if file is not None and there.get(file["name"]) != file["bytes"]:
                size = there.get(file["name"])
                what = "is not there" if size is None else f"has {size:,} bytes, not {file['bytes']:,}"
                raise RunError(f"{file['name']} {what}", where=str(output.place), mend=mend)
    names = [{record["file"]["name"] for record in records.values()}]
    names.append({record["rejects"]["name"] for record in records.values() if record["rejects"]})
    for there, ours, place in ((parts, names[0], output.place), (rejects, names[1], output.rejects)):
        for name in sorted(set(there) - ours):
            raise RunError(
                "it is no part of the output",
                where=str(place / name),
                mend="move it away, and give the call again",
            )
