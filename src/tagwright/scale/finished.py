"""A folder that an earlier call finished: whether this call is the same, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tagwright.errors import InputError
from tagwright.scale.call import check_call
from tagwright.scale.fragment import Counts
from tagwright.scale.lock import take_lock
from tagwright.scale.manifest import check_complete
from tagwright.scale.output import Output
from tagwright.scale.places import Place
from tagwright.scale.plan import Plan
from tagwright.scale.result import Annotated

__all__ = ["finished", "plan_of"]


def finished(
    output: Output,
    manifest: Mapping[str, Any],
    call: Mapping[str, Any],
    source: Place,
    say: Callable[[str], None],
    seconds: Callable[[], float],
) -> Annotated:
    """Return what a folder holds that an earlier call finished.

    Raises:
        InputError: that call was another, or the input has changed since.
        RunError: a file of it is missing, or not as it was written.
    """
    check_call(manifest["call"], call, output.place)
    plan = plan_of(manifest, output.manifest)
    plan.check_unchanged(source)
    check_complete(
        output,
        plan.fragments,
        {entry["number"]: entry for entry in manifest["fragments"]},
        mend="bring the file back, or begin anew with --overwrite",
    )
    if output.running.kind is not None:  # it was cut off at its last step
        lock = take_lock(output, say)
        try:
            lock.rest()
            output.close()
        finally:
            lock.release()
    return Annotated(
        path=str(output.place),
        fragments=len(plan.fragments),
        counts=Counts(**manifest["counts"]),
        machine=manifest["machine"],
        done_before=len(plan.fragments),
        words_now=0,
        seconds=seconds(),
        notices=tuple(plan.notices),
    )


def plan_of(found: Mapping[str, Any], place: Place) -> Plan:
    """Return the plan in a manifest, or in what a run begins with.

    Raises:
        InputError: it is damaged.
    """
    try:
        return Plan.from_dict(found["plan"])
    except (ValueError, KeyError):
        raise InputError(
            "the file is damaged",
            where=str(place),
            mend="begin again with --overwrite, or name another folder",
        ) from None
