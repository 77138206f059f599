"""Copy a CoNLL file with a share of its entities labelled wrongly, and list what was done.

    python scripts/corrupt_labels.py train.conll broken.conll broken.json [--share 0.05] [--seed 0] \
        [--mix type=1 deleted=1 border=1]

Exactly `round(share x entities)` entities are drawn without replacement, and each gets one kind of error:

    type      another type that occurs in the file, each as likely as the others
    deleted   all of its words become O
    border    one of its two borders moves by one word: inward, or outward over a word that was O and touches no
              other entity; each possible move as likely as the others

`--mix` weighs the kinds (equal by default; numbers are rounded down, and what is left goes to the first kinds). Where
an entity allows no error of its kind (a word alone in its sentence has no border to move), the next one drawn takes
its place. No entity is added where there was none.

Words, lines, other columns and comments stay as they are, so `file:line` means the same in both files. The list is
JSON, one object an error in the order of the file: the `line` of its first word, the `sentence` (counted from 0) and,
half-open, the words `start` to `end` whose tags may have changed; `words`; `kind`; `entity` as it was (`label`,
`start`, `end`); `tags` before and `wrong` ones now. With them back in place the file is as it was, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tagwright.data.conll import parse_conll
from tagwright.errors import InputError, TagwrightError
from tagwright.tags import LabelMap, Scheme, offsets_of
from tagwright.tags.scheme import O, join_tag
from tagwright.tags.spans import Spans, encode

KINDS = ("type", "deleted", "border")

Entity = tuple[int, int, int]  # first word, one past the last, type


def corrupt(
    text: str,
    *,
    share: float = 0.05,
    seed: int = 0,
    mix: Mapping[str, float] | None = None,
    word_column: int = 0,
    tag_column: int = -1,
    source: str = "text",
) -> tuple[str, list[dict[str, Any]]]:
    """Return the text of a CoNLL file with wrong labels in it, and the list of them."""
    rows = parse_conll(text, source, word_column=word_column, tag_column=tag_column)
    labels = LabelMap.from_tags(rows.sequences(rows.tags))
    offsets = offsets_of(rows.lengths)
    spans = labels.spans(labels.ids(rows.tags), offsets)
    entities: list[Entity] = list(
        zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True)
    )
    changed = _draw(entities, offsets, labels.scheme, round(share * len(entities)), seed, mix, source)

    right, wrong = (
        _tags(found, offsets, labels)
        for found in (
            entities,
            [changed[place][1] if place in changed else entity for place, entity in enumerate(entities)],
        )
    )
    lines = _Lines(text, tag_column)
    numbers = rows.line_numbers.tolist()
    errors = []
    for place in sorted(changed):
        kind, after = changed[place]
        start, end, label = entities[place]
        first, last = (start, end) if after is None else (min(start, after[0]), max(end, after[1]))
        # Words that are tagged alike before and after keep their tag, valid or not.
        now = [wrong[at] if wrong[at] != right[at] else rows.tags[at] for at in range(first, last)]
        for at in range(first, last):
            lines.put(numbers[at], now[at - first])
        sentence = int(np.searchsorted(offsets, first, side="right")) - 1
        begin = int(offsets[sentence])
        errors.append(
            {
                "line": numbers[first],
                "sentence": sentence,
                "start": first - begin,
                "end": last - begin,
                "words": rows.words[first:last],
                "kind": kind,
                "entity": {"label": labels.types[label], "start": start - begin, "end": end - begin},
                "tags": rows.tags[first:last],
                "wrong": now,
            }
        )
    return lines.text(), errors


def restore(text: str, errors: Iterable[Mapping[str, Any]], *, tag_column: int = -1) -> str:
    """Put the right tags back."""
    lines = _Lines(text, tag_column)
    for error in errors:
        for number, tag in enumerate(error["tags"], error["line"]):
            lines.put(number, tag)
    return lines.text()


def _draw(
    entities: Sequence[Entity],
    offsets: np.ndarray,
    scheme: Scheme,
    count: int,
    seed: int,
    mix: Mapping[str, float] | None,
    source: str,
) -> dict[int, tuple[str, Entity | None]]:
    """Choose entities, and for each the kind of its error and what becomes of it; None where it vanishes."""
    rng = random.Random(seed)
    free = _Free(entities, offsets)
    types = sorted({label for _, _, label in entities})
    order = rng.sample(range(len(entities)), len(entities))
    if scheme in (Scheme.IO, Scheme.IOB1):  # there a neighbour's tags would have to change as well
        order = [place for place in order if not free.is_touching(entities[place])]
    changed: dict[int, tuple[str, Entity | None]] = {}
    for kind, number in _numbers(count, mix or dict.fromkeys(KINDS, 1.0)).items():
        for place in order:
            if number == 0:
                break
            if place not in changed and (choices := _choices(kind, entities[place], types, free)):
                after = rng.choice(choices)
                changed[place] = (kind, after)
                free.take(after)
                number -= 1
        if number:
            raise InputError(f"{number} entities too few allow the error {kind!r}", where=source)
    return changed


def _numbers(count: int, mix: Mapping[str, float]) -> dict[str, int]:
    """Share a number out over kinds by their weights."""
    total = sum(mix.values())
    if set(mix) - set(KINDS) or total <= 0 or min(mix.values()) < 0:
        raise InputError(f"a mix of {dict(mix)} makes no sense", mend=f"give weights for {', '.join(KINDS)}")
    numbers = {kind: int(count * mix.get(kind, 0) / total) for kind in KINDS if mix.get(kind)}
    for kind in list(numbers)[: count - sum(numbers.values())]:
        numbers[kind] += 1
    return numbers


class _Free:
    """Which words are outside all entities, where sentences begin, and so where a border can go."""

    def __init__(self, entities: Sequence[Entity], offsets: np.ndarray) -> None:
        self.first = set(offsets.tolist())
        self.labelled = {word for start, end, _ in entities for word in range(start, end)}

    def is_touching(self, entity: Entity) -> bool:
        start, end, _ = entity
        before = start not in self.first and start - 1 in self.labelled
        return before or (end not in self.first and end in self.labelled)

    def take(self, entity: Entity | None) -> None:
        if entity is not None:
            self.labelled.update(range(entity[0], entity[1]))

    def moves(self, entity: Entity) -> list[Entity]:
        start, end, label = entity
        found = [(start + 1, end, label), (start, end - 1, label)] if end - start > 1 else []
        if start not in self.first and not self.is_touching((start - 1, end, label)):
            found += [(start - 1, end, label)] if start - 1 not in self.labelled else []
        if end not in self.first and not self.is_touching((start, end + 1, label)):
            found += [(start, end + 1, label)] if end not in self.labelled else []
        return found


def _choices(kind: str, entity: Entity, types: Sequence[int], free: _Free) -> list[Entity] | list[None]:
    start, end, label = entity
    if kind == "type":
        return [(start, end, other) for other in types if other != label]
    return [None] if kind == "deleted" else free.moves(entity)


def _tags(entities: Iterable[Entity | None], offsets: np.ndarray, labels: LabelMap) -> list[str]:
    kept = np.array([entity for entity in entities if entity is not None], dtype=np.int64).reshape(-1, 3)
    roles, types = encode(Spans(kept[:, 0], kept[:, 1], kept[:, 2]), offsets, labels.scheme)
    return [
        join_tag(role, labels.types[label] if role != O else "", labels.scheme)
        for role, label in zip(roles.tolist(), types.tolist(), strict=True)
    ]


class _Lines:
    """The lines of a CoNLL file, whose tags can be changed."""

    def __init__(self, text: str, tag_column: int) -> None:
        self.end = "\n" if "\n" in text else "\r"
        self.lines = text.split(self.end)
        self.column = tag_column

    def put(self, number: int, tag: str) -> None:
        line = self.lines[number - 1]
        body = line.rstrip(" \t\r")
        cells = list(re.finditer(r"(?<![^\t])[^\t]*(?![^\t])" if "\t" in body else r"[^ ]+", body))
        cell = cells[self.column]
        self.lines[number - 1] = line[: cell.start()] + tag + line[cell.end() :]

    def text(self) -> str:
        return self.end.join(self.lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a CoNLL file")
    parser.add_argument("copy", help="where the copy goes")
    parser.add_argument("list", help="where the list of errors goes (JSON)")
    parser.add_argument("--share", type=float, default=0.05, help="share of the entities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mix", nargs="+", default=[f"{kind}=1" for kind in KINDS], metavar="KIND=WEIGHT")
    parser.add_argument("--word-column", type=int, default=0)
    parser.add_argument("--tag-column", type=int, default=-1)
    options = parser.parse_args()
    try:
        mix = {kind: float(weight) for kind, _, weight in (part.partition("=") for part in options.mix)}
    except ValueError:
        parser.error(f"--mix {' '.join(options.mix)}: write KIND=WEIGHT")
    if not 0 < options.share <= 1:
        parser.error(f"--share {options.share:g}: give one above 0 and at most 1")
    try:
        text = Path(options.source).read_bytes().decode()
        copy, errors = corrupt(
            text,
            share=options.share,
            seed=options.seed,
            mix=mix,
            word_column=options.word_column,
            tag_column=options.tag_column,
            source=options.source,
        )
    except (TagwrightError, OSError, UnicodeDecodeError) as error:
        parser.error(str(error))
    Path(options.copy).write_bytes(copy.encode())
    Path(options.list).write_text(json.dumps(errors, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    counts = {kind: sum(error["kind"] == kind for error in errors) for kind in KINDS}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(f"{len(errors)} entities are labelled wrongly in {options.copy}: {told}")


if __name__ == "__main__":
    main()
