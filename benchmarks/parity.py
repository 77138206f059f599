"""How near Keras' numbers are to PyTorch's: the same weights, the same padded batches, fp32, dropout off.

    python benchmarks/parity.py

For each architecture, with random weights, and for `minilm` where it is installed, the largest differences of the
hidden states and of the loss (relative), the worst variable's gradient (norm of the difference over norm), the logits
that PyTorch computes from the folder that Keras saved, and the losses of twelve optimizer steps with warm-up,
layer-wise rates and clipping. Keys' biases are left out of the gradients: the softmax cancels them, and what is
left is rounding.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import transformers
from tests.keras import learning, reference
from tests.keras.test_learning_parity import RECIPES, both
from tests.keras.test_parity import KEY_BIASES, QUIET, gradients_of, states_of, torch_gradients_of
from tests.models import LABELS, TEXT

from tagwright.errors import TagwrightError
from tagwright.model.network import build_network
from tagwright.tags import LabelMap, Scheme


def minilm(labels):
    network = build_network(
        "minilm", LabelMap(list(labels), Scheme.IOB2), dropout=0.0, attention_dropout=0.0, seed=0
    )
    words = TEXT.split()
    texts = [" ".join(words[start : start + 3 + start]) for start in range(0, 20, 4)]
    pieces = network.tokenizer(texts, padding=True, return_tensors="np")
    names = ("input_ids", "attention_mask")
    return network.model.eval(), {name: pieces[name].astype(np.int32) for name in names}


def compare(theirs, inputs):
    """Return the largest differences over one batch."""
    ours = learning.keras_model(theirs)
    real = inputs["attention_mask"] > 0
    hidden, _ = reference.torch_outputs(theirs, inputs)
    found, logits = states_of(ours, inputs)
    labels = reference.drawn_labels(inputs)
    their_loss, expected = torch_gradients_of(theirs, inputs, labels)
    loss, gradients = gradients_of(ours, inputs, labels)
    worst = max(
        float(np.linalg.norm(gradients[name] - value) / np.linalg.norm(value))
        for name, value in expected.items()
        if not name.endswith(KEY_BIASES)
    )
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(folder)
        again = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
        saved = reference.torch_outputs(again, inputs)[1]
    equal = (saved.argmax(-1) == logits.argmax(-1))[real].all()
    return (
        abs(hidden - found)[real].max(),
        abs(float(loss) - float(their_loss)) / abs(float(their_loss)),
        worst,
        abs(saved - logits)[real].max(),
        "all" if equal else "NOT ALL",
    )


def steps(theirs, **sizes):
    """Return the largest difference of the losses of twelve optimizer steps."""
    recipe = RECIPES["layers"] | ({"learning_rate": 2.5e-4} if sizes else {})
    ours, expected, _ = both(theirs, recipe, **sizes)
    return abs(ours - expected)[:, 0].max()


def main() -> None:
    transformers.utils.logging.disable_progress_bar()
    print(
        "| encoder | hidden states | loss | gradients | saved logits | best labels equal | 12 steps' losses |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = [
        (kind, reference.torch_model(kind, **QUIET), reference.batch(kind), learning.torch_model(kind), {})
        for kind in reference.KINDS
    ]
    try:
        model, inputs = minilm(LABELS)
        small, _ = minilm(learning.LABELS)
        rows.append(("minilm", model, inputs, small, {"vocabulary": model.config.vocab_size, "rows": 8}))
    except TagwrightError as error:  # the encoder is an extra
        print(f"minilm: {error}", file=sys.stderr)
    for name, model, inputs, trained, sizes in rows:
        *differences, equal = compare(model, inputs)
        told = " | ".join(f"{value:.1e}" for value in differences)
        print(f"| {name} | {told} | {equal} | {steps(trained, **sizes):.1e} |", flush=True)


if __name__ == "__main__":
    main()
