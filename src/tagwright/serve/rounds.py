"""Asks to answers: what a thread of an engine does with those that it has taken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, MissingExtraError
from tagwright.predict.chunks import sentence_chunks
from tagwright.predict.runtimes import Runtime
from tagwright.predict.runtimes.standin import StandIn
from tagwright.predict.tagger import Prepared, Tagger
from tagwright.records import Prediction, Sentence
from tagwright.serve.ask import Answer, Ask
from tagwright.serve.faults import refusal_of
from tagwright.serve.hooks import Hooks
from tagwright.serve.job import DroppedError, Job
from tagwright.serve.refusal import RefusalError

__all__ = ["Counted", "Worker"]

STAGES = ("encode", "compute", "decode")


class Counted(StandIn):
    """A runtime whose calls are counted."""

    def __init__(self, runtime: Runtime, model: str, hooks: Hooks) -> None:
        super().__init__(runtime)
        self._model = model
        self._hooks = hooks

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        logits = self._runtime.logits(input_ids, attention_mask)
        self._hooks.batch(self._model, len(input_ids), input_ids.size)
        return logits


class Timed(StandIn):
    """A runtime, and the seconds in which it was waited for."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.seconds = 0.0

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        begin = time.perf_counter()
        try:
            return self._runtime.logits(input_ids, attention_mask)
        finally:
            self.seconds += time.perf_counter() - begin


class Worker:
    """Turns asks into answers or refusals; each thread has its own.

    What can be blamed on one ask refuses that one alone: a round that fails as a whole is repeated an ask at a time.
    """

    def __init__(self, name: str, tagger: Tagger, *, max_words: int, hooks: Hooks) -> None:
        """Take a tagger.

        Args:
            name: of the model, for the counts.
            tagger: what answers. Its budget of pieces and its counts stay as they are: threads would race on them.
            max_words: words that a text may have.
            hooks: what is told of the work.
        """
        self._name = name
        self._tagger = copy(tagger)
        self._max_words = max_words
        self._hooks = hooks
        self._seconds: dict[str, float] = {}

    @property
    def batch_pieces(self) -> int:
        """Pieces in a batch, padding included; falls when memory runs out."""
        return self._tagger.batch_pieces

    def work(self, jobs: Sequence[Job], runtime: Runtime) -> None:
        """Give each job its outcome; one that was dropped on the way may be left without.

        Args:
            jobs: asks that are computed together.
            runtime: what computes.
        """
        fault: BaseException
        try:
            self._work(jobs, runtime)
        except BaseException as error:  # a thread that ended would leave every asker waiting
            fault = error
        else:
            fault = RuntimeError("an ask was forgotten")
        for job in jobs:
            if job.outcome is None and not job.dropped:
                job.refuse(refusal_of(fault))
        del fault  # its traceback holds this frame, and that the texts

    def _work(self, jobs: Sequence[Job], runtime: Runtime) -> None:
        begin = time.perf_counter()
        groups: dict[str, list[Job]] = {}
        for number, job in enumerate(jobs):
            self._hooks.stage(self._name, "queue", begin - job.taken)
            try:
                job.sentences = list(self._split(job, number))
            except DroppedError:
                continue
            except Exception as error:
                job.refuse(refusal_of(error))
            else:
                groups.setdefault(job.ask.on_overflow or self._tagger.meta.on_overflow, []).append(job)
        self._seconds = dict.fromkeys(STAGES, 0.0) | {"encode": time.perf_counter() - begin}
        for mode, group in groups.items():
            self._together(group, mode, runtime)
        for stage, seconds in self._seconds.items():
            self._hooks.stage(self._name, stage, seconds)

    def _split(self, job: Job, number: int) -> Iterator[Sentence]:
        ask = job.ask
        kind = "words" if ask.texts is None else "texts"
        for index, given in enumerate((ask.words or ()) if ask.texts is None else ask.texts):
            if job.dropped:
                raise DroppedError
            name = f"{number}.{index}"  # no two in a round are called the same
            try:
                sentence = (
                    self._tagger.split(given, name) if isinstance(given, str) else Sentence(name, given)
                )
            except (InputError, MissingExtraError) as error:
                what = error.what if error.mend is None else f"{error.what}; {error.mend}"
                raise RefusalError(422, "text_refused", what, place=f"{kind}[{index}]") from error
            if len(sentence.tokens) > self._max_words:
                raise RefusalError(
                    422,
                    "too_many_words",
                    f"a text has {len(sentence.tokens):,} words and may have {self._max_words:,}; split it",
                    place=f"{kind}[{index}]",
                )
            yield sentence

    def _together(self, jobs: list[Job], mode: str, runtime: Runtime) -> None:
        """Answer jobs that want the same done with long texts; each by itself where all together fail."""
        try:
            self._answer(jobs, mode, runtime)
        except DroppedError:
            return
        except BaseException as error:
            if len(jobs) == 1:
                jobs[0].refuse(self._explained(error, jobs[0], mode))
                return
            for job in jobs:
                if not job.dropped:
                    self._together([job], mode, runtime)

    def _answer(self, jobs: Sequence[Job], mode: str, runtime: Runtime) -> None:
        counts = _Counts()
        predictions: list[Prediction] = []
        for chunk in sentence_chunks(sentence for job in jobs for sentence in job.sentences):
            begin = time.perf_counter()
            prepared = self._tagger.prepare(chunk, on_overflow=mode)
            counts.add(prepared)
            ready, timed = time.perf_counter(), Timed(runtime)
            tagged = self._tagger.compute(prepared, runtime=timed)
            predictions += self._tagger.finish(prepared, tagged)
            end = time.perf_counter()
            self._seconds["encode"] += ready - begin
            self._seconds["compute"] += timed.seconds
            self._seconds["decode"] += end - ready - timed.seconds
        done = 0
        for job in jobs:
            some = predictions[done : done + len(job.sentences)]
            done += len(some)
            answers = [_answer_of(prediction, job.ask) for prediction in some]
            job.outcome = answers
            job.sentences = ()
            counts.entities.update(entity.label for answer in answers for entity in answer.entities)
        counts.tell(self._name, self._hooks)

    def _explained(self, error: BaseException, job: Job, mode: str) -> RefusalError:
        """Return the refusal of an ask that failed by itself; where a text of it is too long, which."""
        if not (isinstance(error, InputError) and mode == "error"):
            return refusal_of(error)
        names = [sentence.id for sentence in job.sentences]
        if error.where not in names:
            return refusal_of(error)
        kind = "words" if job.ask.texts is None else "texts"
        return RefusalError(
            422,
            "text_too_long",
            f"{error.what}; set on_overflow to window, or split the text",
            place=f"{kind}[{names.index(error.where)}]",
        )


class _Counts:
    """What is told once asks are answered, and not of a round that fails and is repeated."""

    def __init__(self) -> None:
        self.words = self.windows = self.overflows = 0
        self.entities: Counter[str] = Counter()

    def add(self, prepared: Prepared) -> None:
        encoded = prepared.encoded
        self.words += len(encoded.word_positions)
        self.windows += len(encoded.sentences)
        several = np.bincount(encoded.sentences, minlength=len(prepared.sentences)) > 1
        if encoded.lost_words:
            cut = np.flatnonzero(encoded.word_positions < 0)
            several[np.searchsorted(encoded.word_offsets, cut, side="right") - 1] = True
        self.overflows += int(np.count_nonzero(several))

    def tell(self, model: str, hooks: Hooks) -> None:
        hooks.words(model, self.words)
        hooks.windows(model, self.windows)
        if self.overflows:
            hooks.overflows(model, self.overflows)
        if self.entities:
            hooks.entities(model, self.entities)


def _answer_of(prediction: Prediction, ask: Ask) -> Answer:
    entities = prediction.entities
    if ask.min_score > 0 or ask.types is not None:
        entities = [
            entity
            for entity in entities
            if entity.score >= ask.min_score and (ask.types is None or entity.label in ask.types)
        ]
    return Answer(
        tuple(entities),
        len(prediction.words),
        prediction.lost_words,
        tokens=tuple(prediction.words) if ask.tokens else None,
        tags=tuple(prediction.tags) if ask.tokens else None,
    )
