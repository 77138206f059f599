"""A corpus annotated fragment by fragment in this process, without the folder that `annotate` keeps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tagwright.predict.files import predict_lines
from tagwright.predict.inputs import Inputs
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import format_named
from tagwright.scale.fragment import Counts, Job
from tagwright.scale.places import Place
from tagwright.scale.plan import Plan, make_plan
from tagwright.scale.tagging import tag_fragment

pa = pytest.importorskip("pyarrow", reason="annotate needs pyarrow: pip install 'tagwright[scale]'")
pq = pytest.importorskip("pyarrow.parquet")


@dataclass
class Done:
    """What came of a corpus."""

    plan: Plan
    counts: list[Counts]
    files: list[bytes]
    rejects: list[dict[str, Any]]

    @property
    def table(self) -> Any:
        """All parts of Parquet, as one table."""
        return pa.concat_tables([pq.read_table(io.BytesIO(data)) for data in self.files])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows, of either format."""
        if self.files[0].startswith(b"PAR1"):
            return list(self.table.to_pylist())
        return [json.loads(line) for data in self.files for line in data.splitlines()]

    def total(self, name: str) -> int:
        """The sum of a count over all fragments."""
        return sum(getattr(counts, name) for counts in self.counts)


def annotate(
    tagger: Tagger, source: Path | str, *, rows: int = 2048, limit: int | None = None, **job: Any
) -> Done:
    """Plan, let the plan go through JSON, and tag every fragment."""
    place = Place.of(str(source))
    wanted = Job(str(source), **job)
    plan = make_plan(place, wanted, fragment_rows=rows, limit=limit)
    plan = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    plan.check_unchanged(place)
    wanted = replace(wanted, schema=plan.schema)
    done = Done(plan, [], [], [])
    for fragment in plan.fragments:
        out, rejects = io.BytesIO(), io.BytesIO()
        counts = tag_fragment(tagger, fragment, wanted, place, out, rejects)
        assert counts.rows == counts.written + counts.rejected + counts.left_out
        done.counts.append(counts)
        done.files.append(out.getvalue())
        done.rejects += [json.loads(line) for line in rejects.getvalue().splitlines()]
    return done


def predicted(
    tagger: Tagger, *paths: Path, field: str = "text", kind: str | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What `predict` answers and rejects, as records."""
    out, rejects = io.BytesIO(), io.BytesIO()
    form = format_named("jsonl")
    predict_lines(
        tagger, Inputs(paths, source=kind, field=field), out, form=form, rejects=rejects, several=True
    )
    return tuple([json.loads(line) for line in data.getvalue().splitlines()] for data in (out, rejects))
