"""Results of predict.py as Markdown."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predicting import Entities

if TYPE_CHECKING:
    from predict import Arm

BASE = "pipeline, best batch"
REFERENCES = {"text": "Tagwright torch fp32", "words": "Tagwright torch fp32, words"}
HEADS = {
    "sentences": "Sentences of the test split",
    "documents": "Documents of 1 to 3,000 words",
}


def in_characters(entities: list[Entities], documents: list[list[str]]) -> set[tuple[int, int, int, str]]:
    """Entities in words as places in the words joined by single blanks, and which document."""
    found = set()
    for number, (spans, words) in enumerate(zip(entities, documents, strict=True)):
        starts, done = [], 0
        for word in words:
            starts.append(done)
            done += len(word) + 1
        for first, last, kind in spans:
            found.add((number, starts[first], starts[last - 1] + len(words[last - 1]), kind))
    return found


def as_set(entities: list[Entities]) -> set[tuple[int, int, int, str]]:
    return {(number, *entity) for number, spans in enumerate(entities) for entity in map(tuple, spans)}


def f1(gold: set[Any], found: set[Any]) -> float:
    return 2 * len(gold & found) / max(1, len(gold) + len(found))


def last_line(error: str) -> str:
    return (error.splitlines() or [""])[-1][:200]


def quantiles(values: list[float]) -> str:
    """p50 / p99, the nearest rank."""
    if not values:
        return "–"
    ranked = sorted(values)
    p50, p99 = (ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in (0.5, 0.99))
    return f"{p50:,.1f} / {p99:,.1f}"


def table(name: str, arms: list[Arm], rows: dict[str, list[dict[str, Any]]], floor: float, work: Path) -> str:
    """One table: an arm a row; what failed is said below."""
    with (work / f"{name}.jsonl").open(encoding="utf-8") as lines:
        documents = [json.loads(line)["words"] for line in lines]
    gold = in_characters(json.loads((work / f"{name}.gold.json").read_text(encoding="utf-8")), documents)
    good = {arm: [row for row in rows[arm] if "error" not in row] for arm in rows}
    speed = {
        arm: statistics.median(row["words_per_second"] for row in some) for arm, some in good.items() if some
    }
    entities: dict[str, set[tuple[int, int, int, str]]] = {}
    for arm in arms:
        if good[arm.name]:
            last = good[arm.name][-1]["entities"]
            entities[arm.name] = as_set(last) if arm.given == "text" else in_characters(last, documents)

    alone = name == "sentences"
    titles = ["arm", "given", "batch", "words/s", "× pipeline", "share of floor"]
    titles += ["one short text, ms", "one sentence, ms", "start, s"] if alone else ["one document, ms"]
    titles += ["peak, MB", "equal entities", "F1"]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    failed = []
    for arm in arms:
        some = good[arm.name]
        bad = [row for row in rows[arm.name] if "error" in row]
        if bad:
            why = last_line(bad[0]["error"])
            failed.append(f"{arm.name}: failed in {len(bad)} of {len(rows[arm.name])} rounds: {why}")
        if not some:
            continue

        def median(key: str, some: list[dict[str, Any]] = some) -> float:
            return statistics.median(row[key] for row in some)

        ratio = f"{speed[arm.name] / speed[BASE]:.2f}" if BASE in speed else "–"
        share = f"{100 * speed[arm.name] / floor:.0f}%" if floor else "–"
        reference = REFERENCES[arm.given]
        equal = "–"
        if arm.same_model and reference in entities:
            one, other = entities[reference], entities[arm.name]
            equal = f"{100 * len(one & other) / max(1, len(one | other)):.2f}%"
        cells = [arm.name, arm.given, str(some[-1]["best_batch"] or "own"), f"{speed[arm.name]:,.0f}", ratio]
        cells.append(share)
        if alone:
            cells.append(quantiles([ms for row in some for ms in row["first_answer_ms"]]))
        cells.append(quantiles([ms for row in some for ms in row["single_ms"]]))
        if alone:
            cells.append(f"{median('start_seconds'):.2f}")
        cells += [f"{median('peak_mb'):,.0f}", equal, f"{100 * f1(gold, entities[arm.name]):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    size = f"{len(documents):,} texts, {sum(map(len, documents)):,} words, {len(gold):,} entities"
    return f"**{HEADS[name]}** ({size})\n\n" + "\n".join(lines + [f"\n{why}" for why in failed])


def tables(arms: list[Arm], results: dict[str, dict[str, list[dict[str, Any]]]], work: Path) -> str:
    """Both tables, what their columns mean, and the floor."""
    floors = [row for row in results[""]["floor"] if "error" not in row]
    parts = []
    for name in HEADS:
        floor = statistics.median(row[name]["words_per_second"] for row in floors) if floors else 0.0
        parts.append(table(name, arms, results[name], floor, work))
    parts.append(
        "Words/s is the median over rounds of whole passes, text or words in and entities out: an arm that is given"
        " text (the words joined by blanks) also splits it. The pipeline aggregates by `first`, and on documents cuts"
        " windows by `stride`, which share as many pieces as Tagwright's. ms are p50 / p99 of answers one at a time;"
        " start is from the start of the process to its first answer; peak is the process's largest resident memory"
        " (2**20 bytes), everything loaded included. Equal entities: those that an arm and Tagwright torch fp32, given"
        " the same, both find at the same characters with the same type, as a share of those that either finds. F1:"
        " entities at the gold ones' characters with their type. Batch: found by trying 1 to 256, else the arm's own."
    )
    if floors:
        rate = statistics.median(row["gflops"] for row in floors)
        counted = []
        for name in HEADS:
            adds, pieces = (floors[0][name][key] for key in ("multiply_adds", "pieces"))
            speed = statistics.median(row[name]["words_per_second"] for row in floors)
            counted.append(
                f"{adds / 1e9:,.0f} billion multiply-adds for {name} ({pieces:,} pieces): {speed:,.0f} words/s"
            )
        parts.append(f"Floor: {rate:,.0f} GFLOP/s of bf16 products in the same run; {'; '.join(counted)}.")
    return "\n\n".join(parts)
