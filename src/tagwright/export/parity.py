"""Whether an export answers as PyTorch does in fp32, in numbers, and when it does not well enough to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from math import ceil
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.windows import Encoded, encode_words
from tagwright.errors import RunError
from tagwright.export.compare import Answers, Difference, answers_of
from tagwright.export.trials import PARTS, Trials
from tagwright.predict.tagger import Tagger
from tagwright.score.counts import matches, score_tags
from tagwright.tags import LabelMap

__all__ = ["NAMED_SHARES", "Agreement", "Reference", "check", "check_arrays", "measure", "measure_speed"]

NAMED_SHARES = {"fp32": 1.0, "bf16": 0.999, "int8": 0.99}
"""The share of the reference's tags that a precision is named for; near-ties in fp32 are no loss."""

SPEED_WORDS = 6000
ROUNDS = 3
SHOWN_WORDS = 12


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one precision of an export agrees with the reference.

    Attributes:
        precision: the precision that it was run at.
        equal_tags: share of the words, of all rows, that have the same tag.
        equal_entities: of the entities that either finds, the share that both find (type and borders).
        differing_words: words with another tag.
        near_ties: those of them that rounding in fp32 explains; see `Difference.near_ties`.
        largest_difference: of the logits, over every piece.
        f1: on the split, lenient reading, without thresholds; None where the data's tags are of another kind.
        equal_tags_by_part: the share of equal tags in each part of the rows.
        worst: the sentence that it gets most wrong, in words; None where all tags are equal.
    """

    precision: str
    equal_tags: float
    equal_entities: float
    differing_words: int
    near_ties: int
    largest_difference: float
    f1: float | None
    equal_tags_by_part: dict[str, float]
    worst: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


class Reference:
    """The bundle in PyTorch and fp32, and its answers to the trials.

    Attributes:
        tagger: the bundle.
        trials: what it was asked.
        encoded: the same as windows.
        answers: its answers.
        f1: its F1 on the split; None where the data's tags are of another kind.
    """

    def __init__(self, tagger: Tagger, trials: Trials) -> None:
        self.tagger = tagger
        self.trials = trials
        self.encoded: Encoded = encode_words(
            tagger.table, trials.sentences, limit=tagger.meta.max_pieces, overlap=tagger.meta.overlap
        )
        self.answers = self.ask(tagger)
        self.f1 = self.score(self.answers.ids)

    def ask(self, tagger: Tagger) -> Answers:
        """Put the trials to a tagger of the same labels, in the reference's batches."""
        return answers_of(
            tagger.runtime,
            self.encoded,
            self.tagger.labels,
            valid_tags=self.tagger.meta.valid_tags,
            budget=self.tagger.batch_pieces,
        )

    def score(self, ids: NDArray[np.int64]) -> float | None:
        """Return the F1 of tags on the split, lenient reading."""
        gold = self.trials.gold
        if gold is None:
            return None
        names = self.tagger.labels.names
        foreign = sorted(set(chain.from_iterable(gold)) - set(names))
        labels = LabelMap([*names, *foreign], self.tagger.labels.scheme)
        offsets = self.encoded.word_offsets[: len(gold) + 1]
        scores = score_tags(labels.ids(chain.from_iterable(gold)), ids[: offsets[-1]], offsets, labels)
        return float(scores.lenient.f1)


def measure(reference: Reference, tagger: Tagger) -> tuple[Agreement, Difference]:
    """Compare an export, opened, with the reference.

    Raises:
        RunError: its logits have another shape than they should, or are not finite.
    """
    difference = Difference(reference.answers, reference.ask(tagger), reference.encoded)
    trials = reference.trials
    if not difference.finite:
        raise RunError(
            f"the {tagger.runtime.name} export in {tagger.runtime.precision} gives logits that are not finite, as in"
            f" {trials.names[difference.worst]}",
            mend="docs/export.md names what can be exported",
        )
    same = ~difference.differing
    owners = np.repeat(trials.parts, np.diff(reference.encoded.word_offsets))
    agreement = Agreement(
        precision=tagger.runtime.precision,
        equal_tags=float(same.mean()),
        equal_entities=_equal_entities(reference, difference),
        differing_words=int((~same).sum()),
        near_ties=difference.near_ties,
        largest_difference=difference.largest,
        f1=reference.score(difference.export.ids),
        equal_tags_by_part={
            name: float(same[owners == part].mean())
            for part, name in enumerate(PARTS)
            if (owners == part).any()
        },
        worst=describe(reference, difference) if difference.differing.any() else None,
    )
    return agreement, difference


def check_arrays(reference: Reference, tagger: Tagger, difference: Difference) -> None:
    """Try the smallest batch there is, of one piece, and a window's limit beside it, in arrays.

    Raises:
        RunError: the logits have another shape than PyTorch's, or, in fp32, lie further away than rounding explains.
    """
    limit = reference.tagger.meta.max_pieces
    full = np.resize(reference.encoded.ids, limit).astype(np.int64)
    pieces = np.stack([full, full])
    mask = np.ones_like(pieces)
    mask[1, 1:] = 0
    pieces[1, 1:] = reference.encoded.pad_id
    for rows, columns in ((1, 1), (1, limit), (2, limit)):
        batch = np.ascontiguousarray(pieces[:rows, :columns]), np.ascontiguousarray(mask[:rows, :columns])
        wanted, found = reference.tagger.runtime.logits(*batch), tagger.runtime.logits(*batch)
        if found.shape != wanted.shape:
            raise RunError(f"the export gives logits of shape {found.shape} where {wanted.shape} were due")
        apart = float(np.abs(found - wanted)[batch[1] == 1].max())
        if tagger.runtime.precision == "fp32" and not apart <= difference.tolerated:
            raise RunError(
                f"the {tagger.runtime.name} export's logits lie up to {apart:.3g} from PyTorch's on a batch of"
                f" {rows} x {columns} pieces, and {difference.tolerated:.3g} is what rounding explains",
                mend="docs/export.md names what can be exported",
            )


def _equal_entities(reference: Reference, difference: Difference) -> float:
    labels, offsets = reference.tagger.labels, reference.encoded.word_offsets
    one = labels.spans(difference.reference.ids, offsets)
    other = labels.spans(difference.export.ids, offsets)
    both = int(np.count_nonzero(matches(one, other)))
    either = len(one) + len(other) - both
    return both / either if either else 1.0


def describe(reference: Reference, difference: Difference) -> str:
    """Name the sentence that an export gets most wrong: where it stands, the words that differ, both tags."""
    worst = difference.worst
    first, last = reference.encoded.word_offsets[worst : worst + 2].tolist()
    labels = reference.tagger.labels.names
    words = reference.trials.sentences[worst]
    apart = np.flatnonzero(difference.differing[first:last]).tolist()
    name = reference.trials.names[worst]
    if not apart:
        text = " ".join(words[:SHOWN_WORDS]) + (" …" if len(words) > SHOWN_WORDS else "")
        return f"{name}: {text!r}"
    start = max(0, apart[0] - 2)
    shown = words[start : start + SHOWN_WORDS]
    text = f"{'… ' * (start > 0)}{' '.join(shown)}{' …' * (start + SHOWN_WORDS < len(words))}"
    told = [
        f"{words[word]!r} is {labels[difference.export.ids[first + word]]}"
        f" instead of {labels[difference.reference.ids[first + word]]}"
        for word in apart[:3]
    ]
    more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
    return f"{name}: in {text!r} {', '.join(told)}{more}"


def check(
    agreement: Agreement,
    reference: Reference,
    difference: Difference,
    *,
    max_drop: float,
    ways: Sequence[str] = ("without --int8",),
) -> list[str]:
    """Refuse an export that does not answer as its precision promises; return what is to be known of one that does.

    Args:
        agreement: how it agrees.
        reference: the bundle.
        difference: the two side by side.
        max_drop: how much lower the F1 of int8 may be, in 0..1.
        ways: how int8 that is refused may be exported instead.

    Raises:
        RunError: fp32 has a tag that differs and is no near-tie, or logits further apart than rounding explains;
            int8 has a lower F1 than `max_drop` allows, or fewer equal tags than it is named for. It names the
            sentence that is most wrong.
    """
    precision = agreement.precision
    share = NAMED_SHARES[precision]
    worst = f"worst: {describe(reference, difference)}"
    if precision == "fp32":
        wrong = agreement.differing_words - agreement.near_ties
        if wrong:
            raise RunError(
                f"the export answers otherwise than PyTorch: {wrong:,} of {len(difference.differing):,} tags differ in"
                f" fp32 by more than rounding explains, logits by up to {agreement.largest_difference:.3g}; {worst}",
                mend="nothing was written; docs/export.md names what can be exported",
            )
        if agreement.largest_difference > difference.tolerated:
            raise RunError(
                f"the export computes something else than PyTorch: its fp32 logits differ by up to"
                f" {agreement.largest_difference:.3g}, and {difference.tolerated:.3g} is what rounding explains;"
                f" {worst}",
                mend="nothing was written; docs/export.md names what can be exported",
            )
        return []
    if precision == "int8":
        mend = f"nothing was written; export it {' or '.join(ways)}"
        if agreement.equal_tags < share:
            raise RunError(
                f"int8 gives {agreement.equal_tags:.2%} of the tags that PyTorch gives, and {share:.0%} is what it is"
                f" named for; {worst}",
                mend=mend,
            )
        drop = 0.0 if agreement.f1 is None or reference.f1 is None else reference.f1 - agreement.f1
        if drop > max_drop:
            raise RunError(
                f"int8 costs {drop:.4f} of F1 ({reference.f1:.4f} to {agreement.f1:.4f}), and {max_drop:g} is"
                f" allowed; {worst}",
                mend=f"{mend}, or allow it with --max-drop {ceil(drop * 1e4) / 1e4:g}",
            )
    elif agreement.equal_tags < share:
        return [
            f"in {precision} it gives {agreement.equal_tags:.3%} of the tags that PyTorch gives in fp32, less than the"
            f" {share:.1%} that {precision} is named for: predict with --precision fp32 where that matters"
        ]
    return []


def measure_speed(taggers: Sequence[Tagger], trials: Trials) -> list[float]:
    """Return the words per second of several taggers: median of rounds in which they take turns.

    Pieces are cached already, so that what is measured is the arithmetic. A few seconds on a machine that may be
    doing other things say little more than which is faster.
    """
    ends = np.cumsum([len(words) for words in trials.sentences[: trials.count]])
    taken = trials.sentences[: max(1, min(trials.count, int(np.searchsorted(ends, SPEED_WORDS)) + 1))]
    words = sum(map(len, taken))
    times: list[list[float]] = [[] for _ in taggers]
    for _ in range(ROUNDS):
        for tagger, spent in zip(taggers, times, strict=True):
            begun = perf_counter()
            tagger.tag_ids(taken)
            spent.append(perf_counter() - begun)
    return [words / median(spent) for spent in times]
