"""Entity scores after each epoch of `fit`, for History, EarlyStopping and ModelCheckpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tagwright.encode.align import IGNORED
from tagwright.errors import InputError
from tagwright.keras.inputs import SPEC
from tagwright.score.counts import score_tags
from tagwright.score.scores import Scores
from tagwright.tags import LabelMap, Scheme, offsets_of

__all__ = ["EntityF1"]


class EntityF1(keras.callbacks.Callback):  # type: ignore[misc]  # keras is not followed by mypy
    """Counts entities after each epoch and adds the scores to the epoch's logs.

    With the prefix `val_` they are `val_precision`, `val_recall` and `val_f1` (the lenient reading, seqeval's
    default), `val_strict_f1` and `val_accuracy`. Each piece takes its best label by itself, allowed or not, and
    pieces labelled -100 are left out, as in the guide's `compute_metrics`; a row is a sentence.

    Callbacks run in the order of their list: name this one before those that watch its scores, and tell them that
    more is better, `mode="max"`.

    Attributes:
        labels: the label map.
        scores: everything that was counted after the last epoch, per type as well; None before the first.

    >>> scored = EntityF1(validation, names)  # doctest: +SKIP
    >>> stop = keras.callbacks.EarlyStopping(monitor="val_f1", mode="max", patience=2)  # doctest: +SKIP
    >>> model.fit(train, callbacks=[scored, stop])  # doctest: +SKIP
    """

    def __init__(
        self,
        validation: Iterable[tuple[Mapping[str, Any], Any]],
        labels: Sequence[str],
        *,
        scheme: Scheme | str = "iob2",
        prefix: str = "val_",
    ) -> None:
        """Keep what is to be scored.

        Args:
            validation: batches of inputs and labels, both of shape (rows, pieces), as `to_tf_dataset` gives them.
                They are gone through once an epoch.
            labels: the names of the labels, in the order of their ids.
            scheme: the scheme that they follow.
            prefix: what stands before the names of the scores.

        Raises:
            InputError: a label does not belong to the scheme, or `validation` can be gone through only once.
        """
        super().__init__()
        if isinstance(validation, Iterator):
            raise InputError(
                f"validation is a {type(validation).__name__}, which can be gone through only once",
                mend="give a list of batches or what to_tf_dataset returns",
            )
        self._names = list(labels)
        self.labels = LabelMap(self._names, Scheme.named(scheme))
        self.scores: Scores | None = None
        self._validation = validation
        self._prefix = prefix
        self._tagger: _Tagger | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Score the model as it is now and add the scores to `logs`."""
        found = self.score()
        if logs is not None:
            logs |= {
                f"{self._prefix}precision": found.lenient.precision,
                f"{self._prefix}recall": found.lenient.recall,
                f"{self._prefix}f1": found.lenient.f1,
                f"{self._prefix}strict_f1": found.strict.f1,
                f"{self._prefix}accuracy": found.accuracy,
            }

    def score(self) -> Scores:
        """Score the model as it is now; outside of `fit`, give it with `set_model` first.

        Raises:
            InputError: there is no batch, no labelled piece, a label that has no name, or the names are others
                than the model's.
        """
        own = getattr(self.model, "labels", None)
        if isinstance(own, list) and own != self._names:
            raise InputError(
                f"the names {self._names} are not those of the model's labels, {own}",
                mend="give the model's, in its order: model.labels",
            )
        if self._tagger is None or self._tagger.model is not self.model:
            self._tagger = _Tagger(self.model)
        gold, predicted, lengths = [], [], []
        for inputs, wanted in map(_split_batch, self._validation):
            ids = np.asarray(wanted)
            kept = ids != IGNORED
            gold.append(ids[kept])
            predicted.append(self._tagger(inputs)[kept])
            lengths.append(kept.sum(axis=1))
        gold_ids = np.concatenate([np.zeros(0, dtype=np.int64), *gold])
        if not len(gold_ids):
            raise InputError(
                f"validation has {len(gold)} batches and no labelled piece",
                mend="give batches with labels, not all of them -100",
            )
        outside = gold_ids[(gold_ids < 0) | (gold_ids >= len(self.labels))]
        if len(outside):
            raise InputError(
                f"validation has the label {outside[0]}, and there are {len(self.labels)} names",
                mend="give the names of the data: data['train'].features['ner_tags'].feature.names",
            )
        self.scores = score_tags(
            gold_ids, np.concatenate(predicted), offsets_of(np.concatenate(lengths)), self.labels
        )
        return self.scores


class _Tagger:
    """The best label of each piece, by one compiled graph for every shape of batch."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._graphs: dict[tuple[str, ...], Callable[..., tf.Tensor]] = {}

    def __call__(self, inputs: Mapping[str, Any]) -> NDArray[np.int64]:
        """Tag a batch: int (rows, pieces) in, int64 (rows, pieces) out."""
        names = tuple(sorted(inputs))
        if names not in self._graphs:
            self._graphs[names] = tf.function(self._best, input_signature=[dict.fromkeys(names, SPEC)])
        batch = {name: tf.cast(inputs[name], tf.int32) for name in names}
        best: NDArray[np.int64] = self._graphs[names](batch).numpy()
        return best

    def _best(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.argmax(self.model(inputs, training=False), axis=-1)


def _split_batch(batch: Any) -> tuple[Mapping[str, Any], Any]:
    """Return the inputs and the labels of a batch; weights of pieces, where it has them, are left out."""
    if isinstance(batch, tuple) and len(batch) >= 2 and isinstance(batch[0], Mapping):
        return batch[0], batch[1]
    raise InputError(
        f"a batch of validation is a {type(batch).__name__}, not a pair of inputs and labels",
        mend="make it with to_tf_dataset, which keeps the labels apart",
    )
