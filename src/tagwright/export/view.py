"""How an export agrees with its bundle, as text for the terminal: renders what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagwright.report.show import ratio, visible, whole

__all__ = ["export_view"]


def export_view(result: Mapping[str, Any]) -> RenderableType:
    """Show the export beside its reference: what it answers, how fast, how large.

    Args:
        result: `Exported.to_dict()`, or the JSON of `tagwright export`.
    """
    parity = result["parity"]
    reference, rows = parity["reference"], parity["export"]
    title = f"{result['out']}: {result['runtime']}, {result['precision']}"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("", no_wrap=True)
    table.add_column("PyTorch fp32", justify="right", no_wrap=True)
    for row in rows:
        table.add_column(f"{result['runtime']} {row['precision']}", justify="right", no_wrap=True)

    def add(name: str, own: str, cells: list[str]) -> None:
        table.add_row(name, own, *cells)

    add("equal tags", "", [f"{row['equal_tags']:.4%}" for row in rows])
    for part in rows[0]["equal_tags_by_part"]:
        add(f"  {part}", "", [f"{row['equal_tags_by_part'][part]:.4%}" for row in rows])
    add("differing words", "", [_differing(row) for row in rows])
    add("equal entities", "", [f"{row['equal_entities']:.4%}" for row in rows])
    add("logits differ by up to", "", [f"{row['largest_difference']:.2g}" for row in rows])
    add(f"F1 on {parity['split']}", ratio(reference["f1"]), [ratio(row["f1"]) for row in rows])
    add(
        "words/s, short trial",
        whole(round(reference["words_per_second"])),
        [whole(round(row["words_per_second"])) for row in rows],
    )
    add("size of the model, MB", _megabytes(reference["bytes"]), [_megabytes(row["bytes"]) for row in rows])
    parts: list[RenderableType] = [Text(title, style="bold"), Text(), table, Text(), Text(_tried(parity))]
    parts += [
        Text(f"most wrong in {row['precision']}: {visible(row['worst'])}")
        for row in rows
        if row["worst"] is not None
    ]
    return Group(*parts)


def _differing(row: Mapping[str, Any]) -> str:
    near = row["near_ties"]
    return f"{row['differing_words']:,}" + (f" ({near:,} near-ties)" if near else "")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _tried(parity: Mapping[str, Any]) -> str:
    made = ", ".join(f"{count:,} {name}" for name, count in parity["made_up_rows"].items())
    of = (
        f" of {parity['sentences_in_split']:,}" if parity["sentences_in_split"] != parity["sentences"] else ""
    )
    return (
        f"{parity['sentences']:,}{of} sentences of {visible(parity['data'])}, {parity['split']}, and made-up rows"
        f" ({made}): {parity['words']:,} words in padded batches of mixed lengths"
    )
