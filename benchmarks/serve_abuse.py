"""A service under abuse: bad requests, many connections, slow ones, SIGTERM and SIGKILL in the middle of it.

    python benchmarks/serve_abuse.py BUNDLE ../shared/data/wnut17 [--bad 10000] [--json all.json]

One table, and exit code 1 where something is not as it should be. Bad requests are drawn by `--seed` from the kinds of
serve_bad.py, and good ones go between them. Options that are not named here go to `tagwright serve`.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

from serve_attacks import kill_and_restart, send_bad, slow_loris, terminate
from serve_bad import draw_bad, http, said
from serve_mixed import refusals
from serving import (
    Running,
    document_of,
    heading,
    load,
    parser_of,
    percentile,
    percentiles,
    sentences_of,
    tagwright_service,
)


def told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} × {status}" for status, count in sorted(counts.items())) or "nothing"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data")
    parser.add_argument("--bad", type=int, default=10_000, help="bad requests")
    parser.add_argument("--connections", type=int, default=1000, help="at once")
    parser.add_argument("--slow", type=int, default=500, help="slow clients")
    parser.add_argument("--seconds", type=float, default=5, help="of a load before something happens to it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write all that was counted, bad requests by kind")
    args, options = parser.parse_known_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    from tagwright.serve.settings import Settings

    limits = Settings()
    texts = sentences_of(args.data)
    bads = draw_bad(
        args.bad,
        texts,
        seed=args.seed,
        max_body=limits.max_body,
        max_texts=limits.max_texts,
        max_words=limits.max_words,
    )
    good = http(said({"text": texts[0]}))
    service = tagwright_service(args.bundle, *options)
    rows: list[tuple[str, str]] = []
    wrong: list[str] = []

    def check(holds: bool, why: str) -> None:
        if not holds:
            wrong.append(why)

    made: dict[str, Any] = {}
    with Running(service) as running:
        load(running, texts, 64, count=2000)  # what it takes for good, it has taken now
        start = running.resident_mb()
        alone = load(running, texts, 8, seconds=args.seconds)

        found = made["bad"] = asyncio.run(send_bad(running.port, bads, good))
        wrong += [f"{count} × {why}" for why, count in found["wrong"].items()]
        rows.append((f"{len(bads):,} bad requests of {len(found['kinds'])} kinds", told(found["statuses"])))
        fives = sum(count for status, count in found["statuses"].items() if status.startswith("5"))
        rows.append(("of status 5xx; without an answer in 30 s", f"{fives}; {found['hangs']}"))
        rows.append(
            (
                f"good requests between them ({found['seconds']:.0f} s in all)",
                f"{found['good']} × 200",
            )
        )
        rows.append(("MB before, after", f"{start:,.0f}, {running.resident_mb():,.0f}"))

        many = made["many"] = load(running, texts, args.connections, count=3 * args.connections)
        check(set(many["statuses"]) <= {"200", "503"}, f"many connections: {told(many['statuses'])}")
        check(not many["lost"] and not many["refused"], f"many connections: {many['lost']} answers lost")
        rows.append(
            (
                f"{args.connections:,} connections at once, {3 * args.connections:,} requests",
                told(many["statuses"]),
            )
        )
        rows.append(("lost; p50 / p95 / p99, ms", f"{many['lost']}; {percentiles(many['latencies'])}"))

        slow, heads, bodies = asyncio.run(slow_loris(running, texts, args.slow, 2.5 * limits.head_timeout))
        made["slow"] = {"good": slow, "heads": heads, "bodies": bodies}
        check(bool(heads) and bool(bodies), "slow clients: none was ended")
        check(
            not refusals(slow["statuses"]) and not slow["lost"], "beside slow clients: good requests refused"
        )
        for name, ended in (("heads", heads), ("bodies", bodies)):
            rows.append(
                (
                    f"{args.slow // 2} clients that trickle {name}: ended",
                    f"{len(ended)}, after {percentile(ended, 0.5):.1f} s",
                )
            )
        rows.append(("8 good connections beside them, p50 / p95 / p99, ms", percentiles(slow["latencies"])))
        rows.append(("and without them", percentiles(alone["latencies"])))
        rows.append(("good requests refused or lost", str(refusals(slow["statuses"]) + slow["lost"])))
        last = load(running, texts, 8, seconds=args.seconds)
        rows.append(("after all that, p50 / p95 / p99, ms", percentiles(last["latencies"])))
        rows.append(("MB at the start, at the end", f"{start:,.0f}, {running.resident_mb():,.0f}"))

        ended = made["sigterm"] = terminate(running, texts, document_of(args.data, 5000), args.seconds)
        short, long, taken = ended["short"], ended["long"], ended["taken"]
        check(ended["code"] == 0, f"SIGTERM: exit code {ended['code']}")
        check(bool(taken) and set(taken) <= {"200", "503"}, f"SIGTERM: of those taken, {told(taken)}")
        for each in (short, long):
            check(set(each["statuses"]) <= {"200", "503"}, f"SIGTERM: {told(each['statuses'])}")
            check(not each["cut"], f"SIGTERM: {each['cut']} answers cut short")
        check(not long["lost"], f"SIGTERM: {long['lost']} long texts lost")
        check(short["lost"] <= 64, "SIGTERM: more was lost than can have met a connection that ended")
        rows.append(
            (
                "SIGTERM in the middle of 64 + 2 connections: exit code, seconds",
                f"{ended['code']}, {ended['seconds']:.2f}",
            )
        )
        rows.append(("requests taken before and not answered yet, or after it: answers", told(taken)))
        rows.append(
            (
                "short texts: answers in all; sent to a connection as it ended",
                f"{told(short['statuses'])}; {short['lost']}",
            )
        )
        rows.append(("texts of 5,000 words: the same", f"{told(long['statuses'])}; {long['lost']}"))

    running = Running(service)
    try:
        running, killed = kill_and_restart(running, texts, args.seconds)
        made["sigkill"] = killed
        check(set(killed["statuses"]) <= {"200", "503"}, f"SIGKILL: {told(killed['statuses'])}")
        check(killed["lost"] <= 64, "SIGKILL: more was lost than was on its way")
        rows.append(
            ("SIGKILL in the middle of 64, started again: seconds until it answers", f"{killed['back']:.1f}")
        )
        rows.append(("answers; sent and not answered", f"{told(killed['statuses'])}; {killed['lost']}"))
        check(running.stop()[0] == 0, "the service that was started again: another exit code than 0")
    finally:
        running.stop()

    print(heading())
    print(f"**{service.name} under abuse** \n")
    print("| | |\n|---|---|")
    print("\n".join(f"| {name} | {value} |" for name, value in rows))
    if args.json:
        args.json.write_text(json.dumps({**made, "wrong": wrong}), encoding="utf-8")
    if wrong:
        print("\nNot as it should be:\n\n" + "\n".join(f"- {why}" for why in wrong))
        sys.exit(1)


if __name__ == "__main__":
    main()
