"""Files to fragments: what is looked at, in which portions, and how far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from tagwright.scale.fragment import Fragment
from tagwright.scale.inputs import InputFile, InputFiles, Survey
from tagwright.scale.jsonkinds import merged
from tagwright.scale.scan import Scan

__all__ = ["MapFiles", "Surveyed", "cut", "first_rows", "kinds_of", "matching", "survey_all"]

MapFiles = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""`map`, or what runs a function elsewhere and gives the results in the same order."""

_FILES = 32
_BYTES = 64 << 20
"""What is looked at together is up to so many files, or so many bytes of lines."""
_WAVE = 8

Surveyed = list[tuple[InputFile, Survey]]
"""Files, each with what is known of it."""


def survey_all(files: Sequence[InputFile], scan: Scan, map_files: MapFiles) -> Surveyed:
    """Look at all files."""
    groups = list(_groups(files))
    surveys = [survey for group in map_files(scan.survey, groups) for survey in group]
    return list(zip(files, surveys, strict=True))


def _groups(files: Iterable[InputFile]) -> Iterator[list[InputFile]]:
    group: list[InputFile] = []
    size = 0
    for file in files:
        group.append(file)
        size += file.size if file.kind in ("text", "jsonl", "conll") else 0
        if len(group) == _FILES or size >= _BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def cut(surveyed: Surveyed, step: int) -> list[Fragment]:
    """Cut files into fragments; their numbers come later."""
    fragments = []
    for file, survey in surveyed:
        if survey.rows is None:
            fragments.append(Fragment(0, file.path, file.kind, added=file.added))
            continue
        ends = [*survey.begins[1:], survey.end]
        for number, first in enumerate(range(0, survey.rows, step)):
            rows = min(step, survey.rows - first)
            begin, end = (survey.begins[number], ends[number]) if survey.begins else (0, None)
            line = survey.firsts[number] if survey.firsts else 1
            fragments.append(
                Fragment(0, file.path, file.kind, first, rows, begin, end, line, added=file.added)
            )
    return fragments


def kinds_of(
    fragments: Sequence[Fragment], scan: Scan, map_files: MapFiles
) -> tuple[dict[str, Any], list[int]]:
    """Return the kinds of the keys of JSON lines, and how many rows each fragment has."""
    groups: list[list[Fragment]] = []
    size = _BYTES
    for fragment in fragments:
        if size >= _BYTES:
            groups.append([])
            size = 0
        groups[-1].append(fragment)
        size += _BYTES if fragment.end is None else fragment.end - fragment.begin
    parts = list(map_files(scan.kinds, groups))
    return merged([kinds for kinds, _ in parts]), [rows for _, counts in parts for rows in counts]


def first_rows(
    found: InputFiles, scan: Scan, limit: int, map_files: MapFiles
) -> tuple[Surveyed, list[Fragment], dict[str, Any]]:
    """Look at no more files than hold the first rows, and of files of lines at no more than those."""
    surveyed: Surveyed = []
    fragments: list[Fragment] = []
    parts: list[dict[str, Any]] = []
    left = limit
    for file in found.files:
        most = left
        while True:
            [[survey]] = map_files(replace(scan, most=most).survey, [[file]])
            some = cut([(file, survey)], scan.fragment_rows)
            kinds, rows = _rows(some, scan, map_files)
            if survey.whole or sum(rows) >= left:
                break
            most = 4 * most + scan.fragment_rows  # many lines are blank
        surveyed.append((file, survey))
        parts.append(kinds)
        for fragment, count in zip(some, rows, strict=True):
            if left > 0:
                fragments.append(replace(fragment, take=left) if count > left else fragment)
                left -= count
        if left <= 0:
            break
    return surveyed, fragments, merged(parts)


def _rows(fragments: list[Fragment], scan: Scan, map_files: MapFiles) -> tuple[dict[str, Any], list[int]]:
    if any(fragment.kind == "jsonl" for fragment in fragments):
        return kinds_of(fragments, scan, map_files)
    return {}, [
        fragment.rows if fragment.rows is not None else next(iter(map_files(scan.count, [fragment])))
        for fragment in fragments
    ]


def matching(fragments: list[Fragment], scan: Scan, limit: int, map_files: MapFiles) -> list[Fragment]:
    """Count the rows that fulfil the condition, from the beginning, until there are enough."""
    kept_fragments: list[Fragment] = []
    waiting = iter(fragments)
    while wave := list(islice(waiting, _WAVE)):
        for fragment, count in zip(wave, map_files(scan.count, wave), strict=False):
            kept_fragments.append(replace(fragment, take=limit) if count >= limit else fragment)
            limit -= count
            if limit <= 0:
                return kept_fragments
    return kept_fragments
