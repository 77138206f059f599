"""Trials and pruners in Optuna's words, read into ours."""

from __future__ import annotations

from datetime import datetime

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial, TrialState

from tagwright.tune.pruning import SHARES
from tagwright.tune.storage import GRACE, is_gone, quiet
from tagwright.tune.trials import SeedRun, State, Trial

__all__ = ["DIED", "PRUNERS", "has_ended", "make_pruner", "read_trial", "state_of"]

PRUNERS = ("median", "hyperband", "none")
DIED = "its process ended"


def make_pruner(name: str, seeds: int) -> BasePruner:
    """Return Optuna's pruner of a name; steps are those of `tagwright.tune.pruning.step_of`."""
    with quiet():
        if name == "median":
            # Before the third part of a run the warm-up's length says more than anything else.
            return MedianPruner(n_startup_trials=4, n_warmup_steps=30, n_min_trials=3)
        if name == "hyperband":
            return HyperbandPruner(min_resource=SHARES[0], max_resource=100 * seeds, reduction_factor=3)
        return NopPruner()


def has_ended(trial: FrozenTrial) -> bool:
    """Say whether a trial's process has ended, as far as this machine knows."""
    if owner := trial.user_attrs.get("owner"):
        return is_gone(owner)
    begun = trial.datetime_start  # it ended before it could say whose the trial is
    return begun is not None and (datetime.now() - begun).total_seconds() > GRACE


def state_of(trial: FrozenTrial) -> State:
    """Return the state of a trial; one that ended without a reason of its own was dropped."""
    if trial.state == TrialState.FAIL:
        return "failed" if "failed" in trial.user_attrs else "dropped"
    return {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned"}.get(trial.state, "running")  # type: ignore[return-value]


def read_trial(trial: FrozenTrial) -> Trial:
    """Return a trial as plain values."""
    ours = trial.user_attrs
    state = state_of(trial)
    return Trial(
        number=ours.get("number", trial.number),
        id=trial.number,
        state=state,
        values=dict(trial.params),
        runs=tuple(SeedRun.read(run) for run in ours.get("runs", ())),
        history=tuple((share, epoch, f1) for share, epoch, f1 in ours.get("history", ())),
        reason=ours.get("failed") or ours.get("dropped") or (DIED if state == "dropped" else None),
        owner=ours.get("owner"),
    )
