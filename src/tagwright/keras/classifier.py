"""The model: an encoder with a head of one dense layer, from and to Hugging Face folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tagwright.errors import InputError
from tagwright.keras import checks
from tagwright.keras.architecture import Architecture
from tagwright.keras.encoder import INPUTS, Encoder, check_inputs
from tagwright.keras.layers import Seeds, normal
from tagwright.keras.loss import token_loss
from tagwright.keras.names import HEAD, find_names, name_slots
from tagwright.keras.source import Source, find_source
from tagwright.keras.weights import check_tensors, keep_rows, write_folder
from tagwright.model.huggingface import label_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TokenClassifier"]


@keras.saving.register_keras_serializable("tagwright")
class TokenClassifier(keras.Model):  # type: ignore[misc]  # keras is not followed by mypy
    """An encoder with a head that gives every piece one logit a label.

    Its inputs are a dict of integers: `input_ids`, `attention_mask` and, where the encoder has token types,
    `token_type_ids`, each (batch, pieces). Its output is fp32 logits, (batch, pieces, labels), whatever the policy.

    Example:
        >>> model = TokenClassifier.from_pretrained("minilm", labels=["O", "B-person", "I-person"])  # doctest: +SKIP
        >>> model.compile(optimizer=create_optimizer(2e-4, num_train_steps=1000)[0])  # doctest: +SKIP
        >>> model.fit(batches, epochs=3)  # doctest: +SKIP
        >>> model.save_pretrained("tagger")  # doctest: +SKIP
    """

    def __init__(
        self,
        architecture: Architecture,
        labels: Sequence[str],
        *,
        config: Mapping[str, Any] | None = None,
        seed: int = 42,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        """Make a model with random weights.

        Args:
            architecture: the encoder's sizes and settings.
            labels: names of the labels, in the order of their ids.
            config: the values of a `config.json` to save with the model; None makes them from the architecture.
            seed: seed of new weights and of dropout.
            dtype: a Keras policy whose variables are fp32, such as `mixed_bfloat16`; None is Keras' own.
            kwargs: `name`, as of `keras.Model`.

        Raises:
            InputError: the labels are not different names, the policy keeps variables in a low precision, or the
                configuration describes another architecture.
        """
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        if policy.variable_dtype != "float32":
            raise InputError(
                f"the policy {policy.name} keeps variables as {policy.variable_dtype}",
                mend="use float32 or mixed_bfloat16",
            )
        names = checks.label_names(labels)
        values = dict(architecture.to_config() if config is None else config)
        if Architecture.from_config(values) != architecture:
            raise InputError("the configuration describes another architecture than the one given")
        super().__init__(dtype=policy, **kwargs)
        self.architecture = architecture
        self.seed = seed
        self._names = names
        self._config = json.dumps(values)  # Keras would wrap a dict in one of its own
        seeds = Seeds(seed)
        self.encoder = Encoder(architecture, seeds, dtype=policy)
        self.head_dropout = keras.layers.Dropout(
            architecture.head_dropout, seed=seeds.next(), dtype=policy, name="head_dropout"
        )
        # In fp32: it is small, and its outputs are what is compared.
        self.head = keras.layers.EinsumDense(
            "bld,dc->blc",
            (None, len(names)),
            bias_axes="c",
            kernel_initializer=normal(architecture, seeds),
            dtype="float32",
            name="classifier",
        )
        self.build()

    @property
    def labels(self) -> list[str]:
        """The names of the labels, in the order of their ids."""
        return list(self._names)

    @property
    def config(self) -> dict[str, Any]:
        """The values of `config.json` that the model was made with."""
        values: dict[str, Any] = json.loads(self._config)
        return values

    def build(self, input_shape: Any = None) -> None:
        """Make the variables."""
        self.encoder.build(None)
        self.head.build((None, None, self.architecture.width))
        self._slots = name_slots(self.architecture.kind, self.encoder, self.head)

    def compile(self, optimizer: Any, loss: Any = None, *, jit_compile: Any = False, **kwargs: Any) -> None:
        """Configure the model for `fit` and `evaluate`, as `keras.Model.compile` does.

        Args:
            optimizer: such as that of `create_optimizer`.
            loss: None is `token_loss()`.
            jit_compile: whether XLA compiles the step: seconds for every new shape of batch, on CPU.
            kwargs: the rest of `keras.Model.compile`.
        """
        checks.check_metrics(kwargs.get("metrics"))
        super().compile(optimizer=optimizer, loss=loss or token_loss(), jit_compile=jit_compile, **kwargs)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train, as `keras.Model.fit` does; weights are of pieces, (rows, pieces)."""
        checks.check_weights(**kwargs)
        return super().fit(*args, **kwargs)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Compute logits; see `call`."""
        # Before Keras, which would wrap the message in pages of its own.
        check_inputs(inputs, self.architecture)
        return super().__call__(dict(inputs), **options)  # a tokenizer's BatchEncoding is no dict to Keras

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """Compute logits.

        Args:
            inputs: `input_ids`, `attention_mask` and perhaps `token_type_ids`, integers, each (batch, pieces).
            training: whether dropout is on.

        Returns:
            Logits, fp32, (batch, pieces, labels).

        Raises:
            InputError: an input is missing, unknown, or of another shape or type than it should be.
        """
        states = self._encode(inputs, training)
        return self.head(self.head_dropout(states, training=training))

    def hidden_states(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """Compute the encoder's output, (batch, pieces, width); the arguments are those of `call`."""
        check_inputs(inputs, self.architecture)
        return self._encode(inputs, training)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        labels: Sequence[str] | None = None,
        dtype: Any = None,
        seed: int = 42,
        dropout: float | None = None,
        attention_dropout: float | None = None,
    ) -> TokenClassifier:
        """Load an encoder, with its head where it has one.

        Args:
            folder: a Hugging Face folder with safetensors, a name on the Hub (`owner/name[@revision]`) or `minilm`.
            labels: names of the labels, in the order of their ids; None keeps those of the checkpoint's head. The
                rows of a trained head whose label is wanted are kept; the others are new.
            dtype: as of the class.
            seed: seed of the head's new rows and of dropout.
            dropout: dropout of hidden states in training; None keeps the encoder's own.
            attention_dropout: the same for attention probabilities.

        Raises:
            InputError: there is no such encoder, it is damaged, or it computes what this engine does not.
            MissingExtraError: `minilm` is not installed.
        """
        source = find_source(folder)
        architecture = Architecture.from_config(source.config, source.where)
        config = architecture.with_dropout(source.config, dropout, attention_dropout)
        old = _trained_labels(source)
        if labels is None and old is None:
            made = "".join(f": it holds a {kind}" for kind in (source.config.get("architectures") or [])[:1])
            raise InputError(
                f"the checkpoint has no trained head to take labels from{made}",
                where=source.where,
                mend="name them: labels=[...]",
            )
        architecture = Architecture.from_config(config, source.where)
        names = labels if labels is not None else old or []
        model = cls(architecture, names, config=config, seed=seed, dtype=dtype)
        wanted = [name for name in model._slots if old or name not in HEAD]
        found = find_names(architecture.kind, wanted, source.names, source.where)
        stored = source.read(list(found.values()))
        tensors = {name: stored[theirs] for name, theirs in found.items()}
        head = {name: model._slots[name].read() for name in HEAD}
        if old:
            keep_rows(head, {name: tensors[name] for name in HEAD}, model.labels, old, source.where)
        model._write(tensors | head, source.where)
        return model

    @classmethod
    def from_tensors(
        cls,
        config: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        *,
        labels: Sequence[str],
        dtype: Any = None,
        seed: int = 42,
        where: str | None = None,
    ) -> TokenClassifier:
        """Make a model of tensors at hand, such as a PyTorch model's `state_dict`.

        Args:
            config: the values of `config.json`.
            tensors: Hugging Face's names and PyTorch's layouts; the head's included, and nothing else.
            labels: names of the labels, in the order of their ids.
            dtype: as of the class.
            seed: seed of dropout.
            where: where the tensors come from, for messages.

        Raises:
            InputError: a tensor is missing, left over or of another shape; the message names it.
        """
        architecture = Architecture.from_config(config, where)
        model = cls(architecture, labels, config=config, seed=seed, dtype=dtype)
        model._write(tensors, where)
        return model

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights under Hugging Face's names, laid out as a PyTorch `state_dict` has them.

        Raises:
            InputError: a layer computes with more than its weights (LoRA, quantization), which have no place there.
        """
        checks.check_plain(self._flatten_layers())
        return {name: slot.read() for name, slot in self._slots.items()}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take weights as `tensors` gives them.

        Raises:
            InputError: a tensor is missing, left over or of another shape; nothing is changed then.
        """
        self._write(tensors, None)

    def named_variables(self) -> dict[str, Any]:
        """Return the trainable variables under Hugging Face's names, from input to output."""
        return {name: slot.variable for name, slot in self._slots.items()}

    def seed_states(self) -> list[Any]:
        """Return the states of the dropout layers' generators, in a fixed order; none where dropout is 0."""
        layers = [*self.encoder.seeded(), self.head_dropout]
        return [variable for layer in layers for variable in layer.non_trainable_variables]

    def save_pretrained(self, folder: str | Path) -> None:
        """Save a Hugging Face folder: `config.json` and `model.safetensors`; plain transformers loads it.

        A crash at any moment leaves the earlier files or the new ones, whole. The tokenizer is saved on its own.

        Raises:
            RunError: the files could not be written.
        """
        write_folder(Path(folder), self.architecture.with_labels(self.config, self._names), self.tensors())

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes the model of: Keras' own format, for its checkpoints."""
        return {**super().get_config(), "config": self.config, "labels": self.labels, "seed": self.seed}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TokenClassifier:
        """Make a model with random weights of what `get_config` returned."""
        return cls(Architecture.from_config(config["config"]), **config)

    def _encode(self, inputs: Mapping[str, Any], training: bool) -> Any:
        ids, mask, types = (inputs.get(name) for name in INPUTS)
        return self.encoder(ids, mask, types, training=training)

    def _write(self, tensors: Mapping[str, NDArray[Any]], where: str | None) -> None:
        check_tensors({name: slot.shape for name, slot in self._slots.items()}, tensors, where)
        for name, slot in self._slots.items():
            slot.write(tensors[name])


def _trained_labels(source: Source) -> list[str] | None:
    """Return the labels of a checkpoint's head; None where it has no head of token classification."""
    kinds = source.config.get("architectures") or ["ForTokenClassification"]
    if not any("ForTokenClassification" in str(kind) for kind in kinds) or not set(HEAD) & set(source.names):
        return None
    return label_names(source.config)
