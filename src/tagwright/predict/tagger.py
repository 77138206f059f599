"""The tagger: text or words in, entities out."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from tagwright.encode.align import PieceTable
from tagwright.encode.windows import Encoded, encode_words
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import InputError
from tagwright.model.bundle import BundleMeta, load_tokenizer, read_meta
from tagwright.predict.chunks import sentence_chunks
from tagwright.predict.decoding import WordTags, tag_words, tempered, word_log_probabilities
from tagwright.predict.pipeline import Stoppable, overlap_pays, overlapped
from tagwright.predict.predictions import Found, find_entities, predictions
from tagwright.predict.runtimes import Runtime, load_runtime
from tagwright.predict.sentences import checked_words
from tagwright.predict.thresholds import as_array, chosen_thresholds, notice_of_precision
from tagwright.records import Entity, Prediction, Sentence

__all__ = ["Prepared", "Tagger"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Sentences that are batched together, and their pieces."""

    sentences: Sequence[Sentence]
    encoded: Encoded


class Tagger:
    """Tags text with a bundle's model.

    >>> tagger = Tagger.load("runs/wnut17")  # doctest: +SKIP
    >>> tagger("Jeff Bezos bought the Washington Post")  # doctest: +SKIP
    [Entity(label='person', start=0, end=10, ...), Entity(label='corporation', start=22, end=37, ...)]
    >>> tagger.tag(["Jeff", "Bezos", "left"])  # doctest: +SKIP
    ['B-person', 'I-person', 'O']

    Attributes:
        meta: what the bundle says of itself.
        labels: its label map.
        runtime: what computes the logits; `runtime.name`, `.precision` and `.device` say how.
        batch_pieces: pieces in a batch, padding included; falls when memory runs out.
        temperature: what log-probabilities are divided by once the tags are chosen; the bundle's.
        thresholds: the least score of an entity of each type; those without one are not looked at.
        dropped_entities: entities under their threshold so far, whose words got O.
    """

    def __init__(
        self,
        runtime: Runtime,
        table: PieceTable,
        meta: BundleMeta,
        *,
        batch_pieces: int | None = None,
        thresholds: bool = True,
        min_score: float = 0.0,
    ) -> None:
        self.runtime = runtime
        self.table = table
        self.meta = meta
        self.labels = meta.label_map
        _check_budget(batch_pieces)
        self.batch_pieces = batch_pieces or runtime.batch_pieces
        self.temperature = meta.temperature
        self.thresholds = chosen_thresholds(meta, thresholds=thresholds, min_score=min_score)
        self.dropped_entities = 0

    @classmethod
    def load(
        cls,
        path: str | Path,
        runtime: str = "auto",
        precision: str = "auto",
        *,
        device: str | None = None,
        batch_pieces: int | None = None,
        thresholds: bool = True,
        min_score: float = 0.0,
        meta: BundleMeta | None = None,
    ) -> Tagger:
        """Load a bundle, or a plain Hugging Face folder with a token-classification model.

        Args:
            path: the folder.
            runtime: `torch`, `onnx` or `openvino`; `auto` takes the one that the folder's files are for.
            precision: `fp32`, the reference; `bf16`; `int8`, where it was exported so; `auto` takes int8 where the
                folder holds it, and else bf16 where the runtime computes it fast on the device.
            device: `cpu`, `cuda` or `cuda:N`, or another that the runtime knows; None takes CUDA if it is there.
            batch_pieces: pieces in a batch, padding included; None is what suits the device.
            thresholds: drop entities whose score lies under the bundle's threshold of their type, if it has any.
            min_score: drop entities whose score, in 0..1, lies under this, whatever their type.
            meta: what the folder says of itself, where it was read already.

        Raises:
            InputError: the folder is no bundle, is damaged, was made for another runtime or precision, or a name or
                number is wrong.
            MissingExtraError: the runtime is not installed.
        """
        _check_budget(batch_pieces)
        if meta is None:
            meta = read_meta(path)
        chosen_thresholds(
            meta, thresholds=thresholds, min_score=min_score
        )  # refused before anything is loaded
        for notice in meta.notices:
            _log.warning("%s", notice)
        try:
            check_splitter(meta.splitter)
        except InputError as error:
            raise InputError(
                error.what,
                where=str(path),
                mend="its tagwright.json is damaged, or made by a newer Tagwright",
            ) from None
        table = PieceTable(load_tokenizer(path))
        loaded = load_runtime(path, runtime=runtime, precision=precision, device=device, meta=meta)
        if differs := notice_of_precision(path, meta, loaded.precision):
            _log.warning("%s", differs)
        return cls(loaded, table, meta, batch_pieces=batch_pieces, thresholds=thresholds, min_score=min_score)

    @overload
    def __call__(self, texts: str) -> list[Entity]: ...  # type: ignore[overload-overlap]  # a str is an iterable
    @overload
    def __call__(self, texts: Iterable[str]) -> list[list[Entity]]: ...
    def __call__(self, texts: str | Iterable[str]) -> list[Entity] | list[list[Entity]]:
        """Find the entities of a text, or of each of several.

        For every entity, `text[entity.start:entity.end] == entity.text`.
        """
        if isinstance(texts, str):
            [prediction] = self._predict([self.split(texts)])
            return list(prediction.entities)
        return [list(prediction.entities) for prediction in self.stream(texts)]

    def tag(self, words: Sequence[str]) -> list[str]:
        """Tag the words of one sentence: one tag a word."""
        [prediction] = self.predict_words([checked_words(words)])
        return list(prediction.tags)

    def probabilities(self, words: Sequence[str]) -> list[dict[str, float]]:
        """Return, for each word of one sentence, the probability of every tag, before any decoding.

        The bundle's temperature is applied, its thresholds are not.
        """
        scores, self.batch_pieces = word_log_probabilities(
            self.runtime, self._encode([checked_words(words)]), self.labels, batch_pieces=self.batch_pieces
        )
        probabilities = np.exp(tempered(scores, self.temperature))
        return [dict(zip(self.labels.names, row, strict=True)) for row in probabilities.tolist()]

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Split texts into words and tag them; see `Prediction`."""
        return list(self.stream(texts))

    def predict_words(self, sentences: Iterable[Sequence[str]]) -> list[Prediction]:
        """Tag sentences that are split already; offsets count in the words joined by single blanks."""
        return self.predict_sentences(
            [Sentence(str(number), checked_words(words)) for number, words in enumerate(sentences, 1)]
        )

    def stream(self, texts: Iterable[str]) -> Iterator[Prediction]:
        """Split and tag texts, a chunk at a time, as they are asked for.

        On a GPU the next chunks are read while one is computed, in a thread that ends with the iterator.
        """
        if isinstance(texts, str):
            raise InputError("one text was given, not several", mend="put it in a list")
        numbered = (self.split(text, str(number)) for number, text in enumerate(texts, 1))
        prepared = (self.prepare(chunk) for chunk in sentence_chunks(numbered))
        with closing(self._computed(prepared)) as computed:
            for chunk, tagged in computed:
                yield from self.finish(chunk, tagged)

    def _computed(self, chunks: Iterable[Prepared]) -> Generator[tuple[Prepared, WordTags], None, None]:
        if overlap_pays(self.runtime):
            yield from overlapped(
                chunks, lambda chunk, stop: self.compute(chunk, runtime=Stoppable(self.runtime, stop))
            )
        else:
            for chunk in chunks:
                yield chunk, self.compute(chunk)

    def predict_sentences(self, sentences: Iterable[Sentence]) -> list[Prediction]:
        """Tag sentences; where they have `text`, `starts` and `ends`, offsets count in that text."""
        return [prediction for chunk in sentence_chunks(sentences) for prediction in self._predict(chunk)]

    def split(self, text: str, name: str = "1") -> Sentence:
        """Split a text into words by the bundle's splitter.

        Args:
            text: the text.
            name: what to call it in an error.
        """
        if not isinstance(text, str):
            raise InputError(f"text {name} is {type(text).__name__}, not str", mend="give texts as strings")
        words, starts, ends = split_words(text, self.meta.splitter)
        return Sentence(name, words, text=text, starts=starts, ends=ends)

    def tag_ids(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        names: Sequence[str] | None = None,
        log_probabilities: bool = False,
    ) -> WordTags:
        """Tag sentences and return the tags' ids, flat over sentences; for scoring.

        They are batched in the chunks in which `predict` batches them, so that both give the same bytes.

        Args:
            sentences: the words of each.
            names: what to call each sentence in an error.
            log_probabilities: keep each word's distribution over the labels.
        """
        tagged: list[WordTags] = []
        done = 0
        for chunk in list(sentence_chunks(Sentence("", words) for words in sentences)) or [[]]:
            some = None if names is None else names[done : done + len(chunk)]
            encoded = self._encode([sentence.tokens for sentence in chunk], some)
            tagged.append(self._tag(encoded, log_probabilities=log_probabilities))
            self.dropped_entities += tagged[-1].dropped_entities
            done += len(chunk)
        return WordTags.joined(tagged)

    def _encode(
        self,
        sentences: Sequence[Sequence[str]],
        names: Sequence[str] | None = None,
        on_overflow: str | None = None,
    ) -> Encoded:
        return encode_words(
            self.table,
            sentences,
            limit=self.meta.max_pieces,
            overlap=self.meta.overlap,
            on_overflow=on_overflow or self.meta.on_overflow,
            names=names,
        )

    def prepare(self, sentences: Sequence[Sentence], *, on_overflow: str | None = None) -> Prepared:
        """Cut the words of sentences into pieces, and those into windows.

        Args:
            sentences: the sentences.
            on_overflow: what to do with one longer than a window, in place of what the bundle says.

        Raises:
            InputError: a sentence is longer than a window, where that is an error.
        """
        names = [sentence.id for sentence in sentences]
        rows = [sentence.tokens for sentence in sentences]
        return Prepared(sentences, self._encode(rows, names, on_overflow))

    def compute(self, prepared: Prepared, *, runtime: Runtime | None = None) -> WordTags:
        """Run the model over sentences and choose their tags; one thread at a time, whichever it is.

        Args:
            prepared: the sentences.
            runtime: what computes, in place of the tagger's own.
        """
        return self._tag(prepared.encoded, runtime=runtime)

    def _tag(
        self, encoded: Encoded, *, log_probabilities: bool = False, runtime: Runtime | None = None
    ) -> WordTags:
        tagged = tag_words(
            runtime or self.runtime,
            encoded,
            self.labels,
            valid_tags=self.meta.valid_tags,
            batch_pieces=self.batch_pieces,
            log_probabilities=log_probabilities,
            temperature=self.temperature,
            thresholds=as_array(self.thresholds, self.labels),
        )
        self.batch_pieces = tagged.batch_pieces
        return tagged

    def _predict(self, sentences: Sequence[Sentence]) -> Iterator[Prediction]:
        prepared = self.prepare(sentences)
        return self.finish(prepared, self.compute(prepared))

    def finish(self, prepared: Prepared, tagged: WordTags) -> Iterator[Prediction]:
        """Make the predictions of sentences out of their tags, one at a time."""
        self.dropped_entities += tagged.dropped_entities
        yield from predictions(prepared.sentences, prepared.encoded, tagged, self.labels)

    def find(self, prepared: Prepared, tagged: WordTags) -> Iterator[Found]:
        """Find the entities of sentences in their tags, as `finish` does, without the rest of a prediction."""
        self.dropped_entities += tagged.dropped_entities
        yield from find_entities(prepared.sentences, prepared.encoded, tagged, self.labels)


def _check_budget(batch_pieces: int | None) -> None:
    if batch_pieces is not None and batch_pieces < 1:
        raise InputError(f"batch_pieces is {batch_pieces}", mend="give at least 1, or None for the default")
