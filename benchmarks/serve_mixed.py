"""Two longer looks at a service, for serve.py: short texts beside a long document, and memory over many requests."""

from __future__ import annotations

import statistics
import time
from typing import Any

from serving import Client, Running, Service, load, percentiles

TENTHS = 10
PAUSE = 0.25
"""Seconds between two looks at the memory."""


def measure_mixed(
    service: Service,
    texts: list[str],
    document: str,
    *,
    connections: list[int],
    seconds: float,
    rounds: int,
    warm: float,
) -> list[dict[str, Any]]:
    """Load a service with short texts, by turns without and with a long document that is sent over and over."""
    cells: list[dict[str, Any]] = []
    with Running(service) as running:
        for number in range(rounds):
            for many in connections:
                for beside in (False, True) if number % 2 == 0 else (True, False):
                    other = None
                    if beside:  # under way before the short texts count, and as long as they do
                        other = Client(running, [document], 1, seconds=seconds + warm + 1, patience=600)
                    found = load(running, texts, many, seconds=seconds, warm=warm)
                    cell = {key: found[key] for key in ("rate", "latencies", "statuses", "lost")}
                    cell |= {"connections": many, "beside": beside}
                    if other:
                        long = other.result()
                        cell |= {"documents": long["latencies"], "document_statuses": long["statuses"]}
                    cells.append(cell)
    return cells


def mixed_table(service: Service, cells: list[dict[str, Any]], words: int) -> str:
    lines = [
        f"**{service.name}: short texts beside one of {words:,} words**\n",
        "| connections | beside it | requests/s | p50 / p95 / p99, ms | not 200 | documents | seconds a document |",
        "|---|---|---|---|---|---|---|",
    ]
    for many in sorted({cell["connections"] for cell in cells}):
        for beside in (False, True):
            some = [cell for cell in cells if (cell["connections"], cell["beside"]) == (many, beside)]
            latencies = [ms for cell in some for ms in cell["latencies"]]
            long = [ms / 1000 for cell in some for ms in cell.get("documents", ())]
            bad = sum(refusals(cell["statuses"]) + cell["lost"] for cell in some)
            bad += sum(refusals(cell.get("document_statuses", {})) for cell in some)
            rate = statistics.median(cell["rate"] for cell in some)
            took = f"{statistics.median(long):.1f}" if long else "–"
            lines.append(
                f"| {many} | {'the document' if beside else 'nothing'} | {rate:,.0f} | {percentiles(latencies)}"
                f" | {bad} | {len(long) if beside else '–'} | {took} |"
            )
    return "\n".join(lines)


def refusals(statuses: dict[str, int]) -> int:
    return sum(count for status, count in statuses.items() if status != "200")


def measure_memory(service: Service, texts: list[str], requests: int, connections: int) -> dict[str, Any]:
    """Send so many requests, each with another text, and sample the resident memory meanwhile."""
    samples: list[float] = []
    with Running(service) as running:
        begin = running.resident_mb()
        client = Client(running, texts, connections, count=requests, number=True)
        while client.process.poll() is None:
            samples.append(running.resident_mb())
            time.sleep(PAUSE)
        found = client.result()
        end = running.resident_mb()
    return {
        "start_mb": begin,
        "end_mb": end,
        "samples_mb": samples,
        **{key: found[key] for key in ("rate", "statuses", "lost")},
        "requests": len(found["latencies"]),
    }


def tenths(samples: list[float]) -> list[float]:
    """The median of each tenth of the samples."""
    return [
        statistics.median(samples[len(samples) * part // TENTHS : len(samples) * (part + 1) // TENTHS] or [0])
        for part in range(TENTHS)
    ]


def memory_table(service: Service, found: dict[str, Any]) -> str:
    by_tenth = tenths(found["samples_mb"])
    rows = [
        ("requests", f"{found['requests']:,}"),
        ("requests/s", f"{found['rate']:,.0f}"),
        ("not 200", str(refusals(found["statuses"]) + found["lost"])),
        ("MB after start and one answer", f"{found['start_mb']:,.1f}"),
        ("MB in each tenth of the time, median", ", ".join(f"{part:,.1f}" for part in by_tenth)),
        ("MB at the end", f"{found['end_mb']:,.1f}"),
        ("last tenth over second tenth", f"{by_tenth[-1] - by_tenth[1]:+,.1f} MB"),
    ]
    lines = [f"**{service.name}: resident memory** (2**20 bytes)\n", "| | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows])
