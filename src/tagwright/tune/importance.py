"""Which fields matter: PED-ANOVA of Optuna on the trials that came to an F1."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from tagwright.config import Space
from tagwright.tune.sampler import distributions_of
from tagwright.tune.storage import quiet
from tagwright.tune.trials import Trial

__all__ = ["LEAST", "importance_of"]

LEAST = 8
"""Fewer trials than that say nothing about single fields."""


def importance_of(trials: Sequence[Trial], space: Space) -> dict[str, float]:
    """Return the share of each field in what tells the better half of the trials from the others, largest first.

    Args:
        trials: those that are done count, and those that were pruned, with the F1 they had come to: they were given
            up for being worse, and only which half a trial belongs to matters.
        space: the search space.

    Returns:
        Shares that add up to 1; nothing where there are fewer than `LEAST` or all are equally good.
    """
    done = [trial for trial in trials if trial.state in ("done", "pruned") and trial.f1 is not None]
    if len(done) < LEAST or len({trial.f1 for trial in done}) == 1:
        return {}
    with quiet():
        study = optuna.create_study(direction="maximize")
        distributions = distributions_of(space)
        study.add_trials(
            [create_trial(params=trial.values, distributions=distributions, value=trial.f1) for trial in done]
        )
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.5)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in sorted(shares.items(), key=lambda item: -item[1])}
