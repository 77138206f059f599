"""Requests a second and latencies of `tagwright serve`, beside the most direct FastAPI + `pipeline` service.

    python benchmarks/serve.py BUNDLE [EXPORT ...] ../shared/data/wnut17 [--json all.json]
    python benchmarks/serve.py EXPORT ../shared/data/wnut17 --mixed
    python benchmarks/serve.py EXPORT ../shared/data/wnut17 --memory 100000

Texts are the sentences of the test split, one a request, sent in a closed loop over 1, 8 and 64 kept-alive connections
by a client in its own process (serve_client.py). One service runs at a time, and rounds take all of them by turns. The
direct service (serve_direct.py) gets the first bundle that holds PyTorch's weights; which way of writing it is the
fastest is tried first. Every answer is compared with `Tagger.predict`'s. Options that are not named here go to
`tagwright serve`.

`--mixed` measures short texts while one long document is tagged over and over, beside the same without it. `--memory N`
samples the resident memory of the service over N requests, each with another text. `--wrk` has wrk, if it is installed,
load the first bundle's service once, beside our client.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from serve_direct import STYLES
from serve_mixed import measure_memory, measure_mixed, memory_table, mixed_table, refusals
from serving import (
    HOST,
    Reference,
    Running,
    Service,
    direct_service,
    document_of,
    heading,
    load,
    parser_of,
    percentiles,
    sentences_of,
    tagwright_service,
)

MOST = 64
"""Connections at which the ways of writing the direct service are tried, and both clients are compared."""
LUA = """
local texts = {}
for line in io.lines("%s") do texts[#texts + 1] = line end
local at = 0
request = function()
  at = at %% #texts + 1
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, texts[at])
end
"""


def try_direct(bundle: Path, texts: list[str], args: argparse.Namespace) -> tuple[Service, str]:
    """Load each way of writing the direct service twice, by turns; return the fastest in fp32 and what was found."""
    ways = [direct_service(bundle, style, threads) for style in STYLES for threads in (1, 2)]
    ways.append(direct_service(bundle, "def", None))
    ways.append(direct_service(bundle, "async", 2, "bfloat16"))
    found: dict[str, list[dict[str, Any]]] = {way.name: [] for way in ways}
    for _ in range(args.trials):
        for way in ways:
            with Running(way) as running:
                result = load(running, texts, MOST, seconds=args.seconds, warm=args.warm)
            found[way.name].append(result)
            tell(f"  {way.name}: {result['rate']:,.1f} requests/s, {result['statuses']}")
    rates = {name: statistics.median(result["rate"] for result in some) for name, some in found.items()}
    lines = [
        f"| {name} | {rates[name]:,.1f} | {percentiles(ms for result in some for ms in result['latencies'])}"
        f" | {sum(refusals(result['statuses']) + result['lost'] for result in some)} |"
        for name, some in found.items()
    ]
    head = f"| direct service, {MOST} connections | requests/s | p50 / p95 / p99, ms | not 200 |\n|---|---|---|---|\n"
    best = max((way for way in ways if "bfloat16" not in way.command), key=lambda way: rates[way.name])
    return best, head + "\n".join(lines) + f"\n\nThe fastest in fp32, measured below: {best.name}."


def measure(
    services: list[Service], texts: list[str], references: dict[str, Reference], args: argparse.Namespace
) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Load every service at every number of connections, all by turns; name -> connections -> a cell for each round."""
    cells: dict[str, dict[int, list[dict[str, Any]]]] = {
        service.name: {many: [] for many in args.connections} for service in services
    }
    for number in range(args.rounds):
        for service in services:
            with Running(service) as running:
                for many in args.connections:
                    result = load(running, texts, many, seconds=args.seconds, warm=args.warm)
                    answers = result.pop("answers")
                    if service.ours:
                        reference = references[str(service.bundle)]
                        result["differing"] = reference.differing({"answers": answers})
                    else:
                        result["differing"] = unlike_first(answers)
                    result["resident_mb"] = running.resident_mb()
                    cells[service.name][many].append(result)
                    tell(f"  round {number + 1}, {service.name}, {many}: {result['rate']:,.1f} requests/s")
    return cells


def unlike_first(answers: dict[str, list[tuple[str, int]]]) -> tuple[int, int, int]:
    """How many answers were given, and how many differ from the commonest one of their text."""
    total = differing = 0
    for bodies in answers.values():
        counts = [count for _, count in bodies]
        total += sum(counts)
        differing += sum(counts) - max(counts)
    return total, differing, 0


def table(cells: dict[str, dict[int, list[dict[str, Any]]]], base: str | None) -> str:
    """A row for each service and number of connections, medians over rounds; latencies are pooled."""
    lines = [
        "| service | connections | requests/s | × direct | p50 / p95 / p99, ms | not 200 | answers | other entities"
        " (near-ties) | client's CPU | service's CPU | MB |",
        "|" + "---|" * 11,
    ]
    for name, by_many in cells.items():
        for many, some in by_many.items():
            rate = statistics.median(cell["rate"] for cell in some)
            ratio = "–"
            if base:
                ratio = f"{rate / statistics.median(cell['rate'] for cell in cells[base][many]):.1f}"
            bad: Counter[str] = Counter()
            for cell in some:
                bad.update({status: n for status, n in cell["statuses"].items() if status != "200"})
                bad.update({"lost": cell["lost"]} if cell["lost"] else {})
            wrong = ", ".join(f"{n} × {status}" for status, n in bad.items()) or "0"
            checked, differing, near = (sum(cell["differing"][place] for cell in some) for place in range(3))
            client, server = (
                100 * statistics.median(cell[key] for cell in some) for key in ("client_cpu", "server_cpu")
            )
            latencies = percentiles(ms for cell in some for ms in cell["latencies"])
            memory = max(cell["resident_mb"] for cell in some)
            lines.append(
                f"| {name} | {many} | {rate:,.1f} | {ratio} | {latencies} | {wrong} | {checked:,}"
                f" | {differing} ({near}) | {client:.0f}% | {server:.0f}% | {memory:,.0f} |"
            )
    lines.append(
        "\nrequests/s: the median over rounds of answers of status 200; latencies of all rounds together. Other"
        " entities: answers whose entities are not `Tagger.predict`'s by the same runtime, and those of them that it"
        " holds for as good; for the direct service, answers unlike the commonest one to the same text. CPU: of one"
        " core, median. MB: resident memory of the service at most, 2**20 bytes."
    )
    return "\n".join(lines)


def compare_clients(service: Service, texts: list[str], args: argparse.Namespace) -> str:
    """Load the same running service by our client and by wrk."""
    with tempfile.TemporaryDirectory() as folder, Running(service) as running:
        bodies, script = Path(folder) / "bodies.jsonl", Path(folder) / "post.lua"
        bodies.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        script.write_text(LUA % (bodies, service.path), encoding="utf-8")
        ours = load(running, texts, MOST, seconds=args.seconds, warm=args.warm)
        command = ["wrk", "-t1", f"-c{MOST}", f"-d{args.seconds:g}s", "--latency", "-s", str(script)]
        done = subprocess.run(
            [*command, f"http://{HOST}:{running.port}"], capture_output=True, text=True, check=True
        )
    rate = re.findall(r"Requests/sec:\s+([\d.]+)", done.stdout)[0]
    high = re.findall(r"99%\s+(\S+)", done.stdout)[0]
    return (
        f"{service.name}, {MOST} connections: our client {ours['rate']:,.1f} requests/s, p50 / p95 / p99"
        f" {percentiles(ours['latencies'])} ms; wrk {float(rate):,.1f} requests/s, p99 {high}."
    )


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("data")
    parser.add_argument("--connections", type=int, nargs="+", default=None, help="default: 1 8 64")
    parser.add_argument("--seconds", type=float, default=10, help="of a cell")
    parser.add_argument("--warm", type=float, default=2, help="seconds of load before a cell counts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=2, help="rounds of trying the direct service's ways")
    parser.add_argument("--no-direct", action="store_true", help="leave the direct service out")
    parser.add_argument(
        "--mixed", action="store_true", help="short texts beside a long document, and no more"
    )
    parser.add_argument("--words", type=int, default=100_000, help="of the long document")
    parser.add_argument("--memory", type=int, metavar="N", help="memory over N requests, and no more")
    parser.add_argument("--wrk", action="store_true", help="our client beside wrk, and no more")
    parser.add_argument("--json", type=Path, help="write all that was measured")
    args, options = parser.parse_known_args()

    texts = sentences_of(args.data)
    services = [tagwright_service(bundle, *options) for bundle in args.bundles]
    made: dict[str, Any] = {}
    printed: list[str] = []
    if args.mixed:
        patient = [tagwright_service(bundle, "--timeout", "600", *options) for bundle in args.bundles]
        document = document_of(args.data, args.words)
        for service in patient:
            made[service.name] = measure_mixed(
                service,
                texts,
                document,
                connections=args.connections or [1, 8],
                seconds=args.seconds,
                rounds=args.rounds,
                warm=args.warm,
            )
            printed.append(mixed_table(service, made[service.name], args.words))
    elif args.memory:
        for service in services:
            made[service.name] = measure_memory(service, texts, args.memory, max(args.connections or [MOST]))
            printed.append(memory_table(service, made[service.name]))
    elif args.wrk:
        printed.append(compare_clients(services[0], texts, args))
    else:
        args.connections = args.connections or [1, 8, 64]
        base = None
        plain = next((bundle for bundle in args.bundles if (bundle / "model.safetensors").exists()), None)
        if plain is not None and not args.no_direct:
            direct, found = try_direct(plain, texts, args)
            services.append(direct)
            printed.append(found)
            base = direct.name
        references = {str(bundle): Reference(bundle, texts) for bundle in args.bundles}
        made = {"cells": measure(services, texts, references, args)}
        printed.append(table(made["cells"], base))
        ran = ", ".join(f"{Path(name).name}: {found.precision}" for name, found in references.items())
        printed.append(f"Runtimes: {ran}.")

    print(heading())
    print("\n\n".join(printed))
    if args.json:
        args.json.write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main()
