"""The public parts together in Keras' own loop: PyTorch's steps, one graph, any number of steps an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.keras import EntityF1, TokenClassifier, create_optimizer, to_tf_dataset  # noqa: E402
from tests.keras.learning import LABELS, batches_for, keras_model, torch_losses, torch_model  # noqa: E402

STEPS = 12
FILL = {"input_ids": 0, "attention_mask": 0, "token_type_ids": 0, "labels": -100}


def pad(rows):
    width = max(len(row["labels"]) for row in rows)
    return {
        name: np.array([row[name] + [FILL[name]] * (width - len(row[name])) for row in rows])
        for name in rows[0]
    }


def split_of(batches) -> Dataset:
    """Return the rows of batches, without their padding."""
    return Dataset.from_list(
        [
            {name: values[row][: int(mask.sum())].tolist() for name, values in batch.items()}
            for batch in batches
            for row, mask in enumerate(batch["attention_mask"])
        ]
    )


class Traced(TokenClassifier):
    """Counts how often Python runs its network, which a compiled graph does while it is traced alone."""

    def call(self, inputs, training=False):
        self.__dict__["traced"] = self.__dict__.get("traced", 0) + 1
        return super().call(inputs, training=training)


def compiled(model, steps, **settings):
    optimizer, _ = create_optimizer(1e-3, steps, **settings)
    model.compile(optimizer=optimizer)
    return model


def test_fit_takes_pytorch_s_steps():
    theirs = torch_model("bert")  # it has token types too
    batches = batches_for(theirs, STEPS)
    ours = compiled(keras_model(theirs), STEPS, num_warmup_steps=3)
    before = ours.tensors()
    means: list[float] = []
    ours.fit(
        to_tf_dataset(split_of(batches), collate_fn=pad, batch_size=4),
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: means.append(logs["loss"]))
        ],
    )
    steps = np.arange(1, STEPS + 1)
    losses = np.diff(np.array(means) * steps, prepend=0.0)  # Keras tells the mean of the epoch so far
    reference = torch_losses(theirs, batches, STEPS, warmup_steps=3, layer_decay=1.0, head_rate=1.0)
    np.testing.assert_allclose(losses, [loss for loss, _ in reference], rtol=1e-3)
    for name, values in ours.tensors().items():
        if "k_lin.bias" not in name and "key.bias" not in name:  # softmax takes it out: its gradient is noise
            np.testing.assert_allclose(
                values, theirs.state_dict()[name].numpy(), rtol=0, atol=1e-5, err_msg=name
            )
            assert np.abs(values - before[name]).max() > 3e-3


def test_one_graph_trains_and_one_scores_whatever_the_widths():
    theirs = torch_model("distilbert")
    split = split_of(batches_for(theirs, 10))
    train = to_tf_dataset(split, collate_fn=pad, batch_size=3, shuffle=True, buckets=False)
    validation = to_tf_dataset(split, collate_fn=pad, batch_size=4)
    model = compiled(
        Traced.from_tensors(
            theirs.config.to_dict(),
            {name: tensor.numpy() for name, tensor in theirs.state_dict().items()},
            labels=LABELS,
        ),
        100,
    )
    traced = []
    model.fit(
        train,
        epochs=3,
        validation_data=validation,
        shuffle=False,
        verbose=0,
        callbacks=[
            EntityF1(validation, LABELS),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: traced.append(model.traced)),
        ],
    )
    assert len({labels.shape[1] for _, labels in train}) > 2
    # Training, which makes the moments and is traced anew then, the loss on validation, and the scores.
    assert traced == [traced[0]] * 3
    assert traced[0] <= 4


def test_an_epoch_of_so_many_steps_goes_on_in_the_next():
    theirs = torch_model("distilbert")
    split = split_of(batches_for(theirs, 3))
    seen = []

    def collate(rows):
        seen.extend(tuple(row["input_ids"]) for row in rows)
        return pad(rows)

    train = to_tf_dataset(split, collate_fn=collate, batch_size=4, shuffle=True)
    seen.clear()  # it tries the collator when it is made
    model = compiled(keras_model(theirs), 6)
    model.fit(train.repeat(2), epochs=3, steps_per_epoch=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 6
    rows = sorted(map(tuple, split["input_ids"]))
    assert sorted(seen[:12]) == sorted(seen[12:]) == rows
    assert seen[:12] != seen[12:]
