"""A study in Optuna: which trials there are, which one is next, and what comes of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState

from tagwright.config import Space
from tagwright.errors import InputError
from tagwright.train.begun import first_change
from tagwright.tune.frozen import DIED, has_ended, make_pruner, read_trial, state_of
from tagwright.tune.pruning import step_of
from tagwright.tune.sampler import SpaceSampler, distributions_of
from tagwright.tune.storage import Heart, open_storage, own_name, patiently
from tagwright.tune.trials import SeedRun, Trial, key_of

__all__ = ["Running", "Study"]

_T = TypeVar("_T")


class Study:
    """The trials of a search, shared by everyone who opens the same storage.

    Args:
        url: of the storage.
        name: of the study.
        shown: what the user knows the storage by.
        space: the search space.
        first: the values of trial 0.
        seed: of the draws.
        seeds: trainings of a trial.
        pruner: one of `PRUNERS`.
    """

    def __init__(
        self, url: str, name: str, shown: str, *, space: Space, first: Mapping[str, Any], seed: int, seeds: int,
        pruner: str,
    ) -> None:  # fmt: skip
        self.url, self.name, self.shown = url, name, shown
        self.space = space
        self._sampler = SpaceSampler(space, first, seed)
        self._sampler.place_of = self._place_of
        self._pruner = make_pruner(pruner, seeds)
        self._storage = open_storage(url, shown)
        self._study: optuna.Study | None = None

    @property
    def names(self) -> list[str]:
        """The studies that the storage has."""
        return list(patiently(lambda: optuna.get_all_study_names(self._storage), self.shown))

    def delete(self) -> None:
        """Remove the study.

        Raises:
            InputError: someone works on it.
        """
        self.begin(None)
        self.bury()
        if busy := [trial for trial in self.trials() if trial.state == "running"]:
            raise InputError(
                f"trial {busy[0].number} of the study {self.name!r} is running, so it is not replaced",
                where=self.shown,
                mend="stop it first, or give another --study",
            )
        patiently(lambda: optuna.delete_study(study_name=self.name, storage=self._storage), self.shown)
        self._study = None

    def begin(self, head: Mapping[str, Any] | None) -> None:
        """Open the study, or make it.

        Args:
            head: what is searched: `recipe`, `space`, `data`, `seeds`; None asks nothing.

        Raises:
            InputError: the study was begun with something else; the field is named.
        """
        self._study = patiently(
            lambda: optuna.create_study(
                storage=self._storage,
                study_name=self.name,
                direction="maximize",
                load_if_exists=True,
                sampler=self._sampler,
                pruner=self._pruner,
            ),
            self.shown,
        )
        if head is None:
            return
        before = self.recall("head")
        if before is None:
            if self._frozen() or self._open.direction != optuna.study.StudyDirection.MAXIMIZE:
                raise InputError(
                    f"the study {self.name!r} was not made by tagwright tune",
                    where=self.shown,
                    mend="give another --study",
                )
            self.keep("head", dict(head))
            before = self.recall("head")
        self._compare(before, json.loads(json.dumps(head)))

    def _compare(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        mend = "give the same, another --study or --out, or --overwrite to begin anew"
        if before["data"]["sha256"] != now["data"]["sha256"]:
            raise InputError(
                f"the study was begun with other data ({before['data']['source']})",
                where=self.shown,
                mend=mend,
            )
        change = first_change(before["recipe"], now["recipe"])
        if change is None:
            change = first_change({"[tune]": before["space"]}, {"[tune]": now["space"]})
        if change is None and before["seeds"] != now["seeds"]:
            raise InputError(
                f"the study was begun with --seeds {before['seeds']}, not {now['seeds']}",
                where=self.shown,
                mend=mend,
            )
        if change is not None:
            key, old, new = change
            raise InputError(
                f"the study was begun with {key.replace('[tune].', '[tune] ')} = {old!r}, not {new!r}",
                where=self.shown,
                mend=mend,
            )

    def recall(self, key: str) -> Any:
        """Return what was kept with the study under a name; None for nothing."""
        return patiently(lambda: self._open.user_attrs, self.shown).get(key)

    def keep(self, key: str, value: Any) -> None:
        """Keep a JSON value with the study."""
        patiently(lambda: self._open.set_user_attr(key, value), self.shown)

    def trials(self) -> list[Trial]:
        """Return all trials, dropped ones too, by number."""
        found = [read_trial(one) for one in self._frozen()]
        return sorted(found, key=lambda trial: (trial.number, trial.id))

    def bury(self, *, own: bool = False) -> None:
        """Mark the trials whose process has ended: here at once, elsewhere after a silence.

        Args:
            own: those of this process as well, which begins anew.
        """
        for one in self._frozen():
            mine = own and one.user_attrs.get("owner") == own_name()
            if one.state == TrialState.RUNNING and (mine or has_ended(one)):
                with suppress(Exception):  # somebody else was faster
                    patiently(lambda one=one: self._end(one._trial_id, dropped=DIED), self.shown)  # type: ignore[misc]
        patiently(lambda: optuna.storages.fail_stale_trials(self._open), self.shown)

    def ask(self, limit: int) -> Running | None:
        """Begin the next trial, if fewer than `limit` are there and its values are new; None otherwise."""
        trial = patiently(lambda: self._open.ask(distributions_of(self.space)), self.shown)
        frozen = {one.number: one for one in self._frozen()}
        mine = frozen[trial.number]
        place, tried = self._place_of(mine)
        running = Running(self, trial, Trial(place, trial.number, "running", dict(trial.params)))
        patiently(lambda: self._storage.record_heartbeat(trial._trial_id), self.shown)
        patiently(lambda: trial.set_user_attr("number", place), self.shown)
        patiently(lambda: trial.set_user_attr("owner", own_name()), self.shown)
        if place >= limit:
            running.drop("enough others were begun at the same moment")
            return None
        if key_of(trial.params) in tried:
            running.drop("the same values were tried")
            return None
        return running

    def known(self, values: Mapping[str, Any]) -> dict[int, SeedRun]:
        """Return the whole trainings of dropped trials of the same values, by seed."""
        return {
            run.seed: run
            for trial in self.trials()
            if trial.state == "dropped" and key_of(trial.values) == key_of(values)
            for run in trial.runs
        }

    @property
    def _open(self) -> optuna.Study:
        if self._study is None:
            raise RuntimeError("the study is not open")
        return self._study

    def _frozen(self) -> list[FrozenTrial]:
        return patiently(lambda: self._open.get_trials(deepcopy=False), self.shown)

    def _place_of(self, trial: FrozenTrial) -> tuple[int, set[Any]]:
        """Return the first place in the search that no earlier trial holds, and the values of those that hold one."""
        held: set[int] = set()
        tried: set[Any] = set()
        waiting = 0
        for one in self._frozen():
            if one.number >= trial.number or state_of(one) == "dropped":
                continue
            tried.add(key_of(one.params))
            if "number" in one.user_attrs:
                held.add(one.user_attrs["number"])
            else:
                waiting += 1
        free = (place for place in range(len(held) + waiting + 1) if place not in held)
        return [next(free) for _ in range(waiting + 1)][-1], tried

    def _end(self, trial: int, *, value: float | None = None, **attributes: Any) -> None:
        """Write the last of a trial, and its state, which closes it."""
        state = TrialState.COMPLETE if value is not None else TrialState.FAIL
        if attributes.pop("pruned", False):
            state = TrialState.PRUNED
        for key, given in attributes.items():
            self._storage.set_trial_user_attr(trial, key, given)
        self._storage.set_trial_state_values(trial, state, None if value is None else [value])


class Running:
    """A trial that this process runs.

    Args:
        study: it belongs to.
        trial: Optuna's.
        shown: what it was when it began.
    """

    def __init__(self, study: Study, trial: optuna.Trial, shown: Trial) -> None:
        self.study = study
        self.number = shown.number
        self.values = shown.values
        self._trial = trial
        self._runs: list[SeedRun] = []

    def heart(self) -> Heart:
        """Return what gives signs of life while its block runs."""
        return Heart(self.study._storage, self._trial._trial_id)

    def report(self, place: int, points: Mapping[int, float], history: Sequence[Sequence[float]]) -> bool:
        """Report what is known in the middle of a training, and ask whether it is worth going on.

        Args:
            place: of the seed, from 0.
            points: mean F1 over seeds so far, by percent of the run.
            history: the evaluations of this training.

        Returns:
            Whether to give the trial up; never trial 0, against which the best is held.
        """
        self._set("history", [list(point) for point in history])
        reported = self._ask(lambda: self._trial.storage.get_trial(self._trial._trial_id)).intermediate_values
        for share, mean in points.items():
            if (step := step_of(place, share)) not in reported:
                self._ask(lambda step=step, mean=mean: self._trial.report(mean, step))  # type: ignore[misc]
        if self.number == 0 or not points:
            return False
        return self._ask(lambda: self._is_bad(place))

    def _is_bad(self, place: int) -> bool:
        frozen = self.study._storage.get_trial(self._trial._trial_id)
        # The pruners go by the best value so far: the end of one seed would stand up for the beginning of the next.
        frozen.intermediate_values = {
            step: value for step, value in frozen.intermediate_values.items() if step > step_of(place, 0)
        }
        return bool(frozen.intermediate_values) and self.study._pruner.prune(self.study._open, frozen)

    def add(self, run: SeedRun) -> None:
        """Keep a whole training."""
        self._runs.append(run)
        self._set("runs", [one.to_dict() for one in self._runs])
        self._set("history", [])

    def finish(self, f1: float) -> None:
        """End it with its mean F1."""
        self._end(value=f1)

    def prune(self, f1: float) -> None:
        """Give it up, with its mean F1 so far."""
        self._end(value=f1, pruned=True)

    def fail(self, reason: str) -> None:
        """End it for a reason that is its own."""
        self._end(failed=reason)

    def drop(self, reason: str) -> None:
        """End it for a reason that is not its own: another takes its place."""
        self._end(dropped=reason)

    def _end(self, **ending: Any) -> None:
        self._ask(lambda: self.study._end(self._trial._trial_id, **ending))

    def _set(self, key: str, value: Any) -> None:
        self._ask(lambda: self._trial.set_user_attr(key, value))

    def _ask(self, call: Callable[[], _T]) -> _T:
        return patiently(call, self.study.shown)
