"""`tagwright compare`: which of several systems is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.errors import InputError
from tagwright.score.comparison import Bench, Comparison, SystemPair, SystemScore
from tagwright.score.paired import PairedCounts, bootstrap_difference, holm, randomisation_p
from tagwright.score.resample import UnitCounts, f1_intervals, units_of
from tagwright.score.seeds import collect_runs, compare_groups
from tagwright.score.systems import Gold, Side, System, name_systems, read_sides
from tagwright.score.tally import Tally
from tagwright.score.units import MANY_TYPES
from tagwright.score.verdict import ONE_RUN, SAME_SENTENCES, judge_systems, needed_units
from tagwright.tags.scheme import Scheme
from tagwright.tags.spans import Spans

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Comparison", "compare"]

LEVEL = 0.95

FEW_ROUNDS, MOST_ROUNDS = 100, 1_000_000
"""Below the one, intervals are noise; above the other, nothing changes but the time it takes."""


def compare(
    *systems: System,
    data: str | Path | DatasetDict | Corpus | None = None,
    split: str = "test",
    groups: Mapping[str, System | Sequence[System]] | None = None,
    names: Sequence[str] | None = None,
    reading: str = "lenient",
    rounds: int = 10_000,
    seed: int = 0,
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> Comparison:
    """Hold every system against the first one, on the same sentences.

    The difference of micro F1 has an interval by paired bootstrap and a p by approximate randomisation,
    corrected by Holm where there are several pairs. Documents are resampled whole where gold marks them.

    A system is a CoNLL file of predictions, one list of tags a sentence, or, with `data`, a bundle's folder or
    a `Tagger`. Without `data`, gold comes first, as in `score`.

    >>> gold = [["B-person", "O"], ["B-person", "O"], ["O", "O"]]
    >>> found = compare(gold, [["B-person", "O"], ["O", "O"], ["O", "O"]], gold, names=["old", "new"])
    >>> [round(system.f1, 2) for system in found.systems]
    [0.67, 1.0]
    >>> found.pairs[0].p
    1.0

    Args:
        systems: gold and at least two systems, or, with `data`, at least two systems; with `groups`, gold alone
            or nothing.
        data: labelled data, as for `load_data`.
        split: which of its splits.
        groups: instead of single systems, the runs of each recipe, at least two a recipe, each trained with a
            seed of its own: a sequence of systems, or a path, which may be a pattern (`runs/new-*`). Every
            group is held against the first, by Welch's t test and by permutation of the runs.
        names: what to call the systems; None takes their files' stems and their folders' names.
        reading: how tags are read as spans: `lenient` or `strict`.
        rounds: rounds of the paired bootstrap and of the randomisation.
        seed: of their draws; the same seed gives the same figures, whatever the order of sentences.
        precision: precision of the taggers' matrix products, as for `Tagger.load`.
        settings: how data is read; of CoNLL files the columns, and of a gold file the scheme.

    Raises:
        InputError: a system cannot be read, or has other sentences than gold (the first place where they part
            is named), or there is too little to compare.
        MissingExtraError: `groups` needs scipy, taggers a runtime, and it is not installed.
    """
    if seed < 0:
        raise InputError(f"the seed is {seed}", mend="give 0 or more")
    if rounds < 1:
        raise InputError(f"{rounds} rounds were asked for", mend="give at least 1; 10000 is usual")
    if rounds > MOST_ROUNDS:
        raise InputError(
            f"{rounds:,} rounds were asked for, and more than {MOST_ROUNDS:,} tell nothing more",
            mend="give fewer; 10000 is usual",
        )
    gold, systems = _take_gold(systems, data is not None, groups is not None)
    runs = {} if groups is None else collect_runs(groups)
    systems = tuple(chain.from_iterable(runs.values())) if runs else systems
    called = _call(systems, names)
    against, sides = read_sides(
        systems,
        called,
        gold=gold,
        data=data,
        split=split,
        reading=reading,
        precision=precision,
        settings=settings,
    )
    over = _Spans(against, sides)
    bench = Bench(
        source=against.corpus.source if against.corpus else against.rows.source,
        split=against.split or None,
        reading=reading,
        sentences=len(against.rows),
        words=int(against.offsets[-1]),
        mentions=len(against.side.spans),
        unit=over.unit,
        units=over.units,
        rounds=rounds,
        seed=seed,
        level=LEVEL,
    )
    recipes = list(chain.from_iterable([name] * len(members) for name, members in runs.items()))
    scores = tuple(
        over.score(place, _path_of(system), recipes[place] if recipes else None, bench)
        for place, system in enumerate(systems)
    )
    notices = [*_all_notices(against, sides), *_suspicions(scores, systems)]
    if rounds < FEW_ROUNDS:
        notices.append(f"with so few rounds ({rounds}), intervals and p are rough: 10000 is usual")
    if runs:
        found, pairs = compare_groups(scores, bench)
        return Comparison(bench, scores, pairs, found, (SAME_SENTENCES,), tuple(notices))
    notes = (ONE_RUN,) if any(side.trained for side in sides) else ()
    return Comparison(bench, scores, _pairs(over, scores, bench), (), notes, tuple(notices))


class _Spans:
    """The spans of all sides, their types numbered alike, and the units they are counted by."""

    def __init__(self, gold: Gold, sides: Sequence[Side]) -> None:
        self.types = sorted({name for side in (gold.side, *sides) for name in side.types})
        # Where every word is a span, hardly two sentences have the same counts of each type; see also `MANY_TYPES`.
        self.together = gold.labels.scheme is Scheme.WORD or len(self.types) > MANY_TYPES
        self.offsets = gold.offsets
        self.documents = gold.documents
        self.gold = gold.side.over(self.types)
        self.sides = [side.over(self.types) for side in sides]
        self.names = [side.name for side in sides]
        self.unit_of, self.units = units_of(self.documents, len(gold.rows))
        self.unit = "documents" if len({*(self.documents or ())}) > 1 else "sentences"

    def score(self, place: int, source: str | None, group: str | None, bench: Bench) -> SystemScore:
        side = self.sides[place]
        if self.together:
            rows, times = self.pair(side, side).rows()
            counts = UnitCounts(("",), rows[:, None, [0, 2, 3]], times)
        else:
            counts = UnitCounts.of(self.gold, side, self.offsets, self.types, documents=self.documents)
        tally = Tally(*counts.totals.sum(axis=0).tolist())
        interval = f1_intervals(counts, seed=bench.seed, level=bench.level).micro
        return SystemScore(
            self.names[place], source, tally.f1, interval, tally.precision, tally.recall, group
        )

    def pair(self, first: Spans, second: Spans) -> PairedCounts:
        return PairedCounts(
            self.gold,
            first,
            second,
            unit=self.unit_of,
            units=self.units,
            offsets=self.offsets,
        )


def _pairs(over: _Spans, scores: Sequence[SystemScore], bench: Bench) -> tuple[SystemPair, ...]:
    """Hold every system against the first."""
    rounds, seed, level = bench.rounds, bench.seed, bench.level
    tests = len(scores) - 1
    pairs = []
    for place in range(1, len(scores)):
        counts = over.pair(over.sides[0], over.sides[place])
        rows, times = counts.rows()
        micro = bootstrap_difference(rows, times, rounds=rounds, seed=seed, level=level)
        p, differing = randomisation_p(rows, times, rounds=rounds, seed=seed)
        per_type = {
            over.types[label]: bootstrap_difference(
                *counts.rows(label), rounds=rounds, seed=seed, level=level
            )
            for label in counts.occurring
        }
        enough = needed_units(over.units, micro.value, micro.interval, level=level, tests=tests)
        pairs.append(
            SystemPair(
                a=over.names[0],
                b=over.names[place],
                difference=micro.value,
                interval=micro.interval,
                p=p,
                p_holm=p,
                differing=differing,
                needed=enough,
                per_type=per_type,
            )
        )
    corrected = holm([pair.p for pair in pairs])
    pairs = [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
    return tuple(replace(pair, verdict=judge_systems(pair, bench, tests=tests)) for pair in pairs)


def _take_gold(systems: tuple[Any, ...], labelled: bool, grouped: bool) -> tuple[Any, tuple[System, ...]]:
    """Take gold off the front, and see that there is enough left to compare."""
    gold, rest = (None, systems) if labelled else (systems[0] if systems else None, systems[1:])
    if isinstance(gold, str | Path) and Path(gold).is_dir():
        raise InputError(
            "this is a folder, and without --data the gold file comes first",
            where=str(gold),
            mend="to compare taggers, name labelled data with --data",
        )
    if gold is None and not labelled:
        raise InputError(
            "there are no gold tags", mend="give GOLD and at least two systems, or taggers and --data"
        )
    if grouped and rest:
        first = _path_of(rest[0]) or "a system"
        raise InputError(
            f"{first} stands beside --group", mend="put every run into a group, or compare systems without"
        )
    if not grouped and len(rest) < 2:
        found = "there is nothing to compare" if not rest else "there is only one system"
        one = "evaluate" if labelled else "score"
        raise InputError(found, mend=f"name at least two; for the figures of one, tagwright {one}")
    return gold, rest


def _call(systems: Sequence[System], names: Sequence[str] | None) -> list[str]:
    if names is None:
        return name_systems(systems)
    if len(names) != len(systems):
        raise InputError(f"there are {len(names)} names for {len(systems)} systems", mend="name each of them")
    if len(set(names)) < len(names):
        double = next(name for name in names if list(names).count(name) > 1)
        raise InputError(f"two systems are called {double!r}", mend="give each a name of its own")
    return list(names)


def _path_of(system: System) -> str | None:
    return str(system) if isinstance(system, str | Path) else None


def _all_notices(gold: Gold, sides: Sequence[Side]) -> list[str]:
    return list(dict.fromkeys(notice for side in (gold.side, *sides) for notice in side.notices))


def _suspicions(scores: Sequence[SystemScore], systems: Sequence[System]) -> list[str]:
    """Notice what is probably a slip: the gold file among the systems, or a file named twice."""
    told = [f"{score.name} equals gold throughout: is it the gold file?" for score in scores if score.f1 == 1]
    paths = [Path(system).resolve() if isinstance(system, str | Path) else None for system in systems]
    for place, path in enumerate(paths):
        if path is not None and path in paths[:place]:
            told.append(f"{scores[place].name} and {scores[paths.index(path)].name} are the same file")
    return told
