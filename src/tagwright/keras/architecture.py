"""What an encoder computes, read from the values of a Hugging Face `config.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from tagwright.errors import InputError

__all__ = ["ACTIVATIONS", "Architecture"]

ROBERTAS = ("roberta", "xlm-roberta", "camembert")
# The start of transformers' class names.
_CLASSES = {
    "distilbert": "DistilBert",
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "camembert": "Camembert",
}

# transformers' names of activations, and the formula behind each.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "mish": "mish",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}

# The key of each field in `config.json`, and what transformers takes where it is left out.
_DISTILBERT: dict[str, tuple[str, Any]] = {
    "vocab_size": ("vocab_size", 30522),
    "width": ("dim", 768),
    "layers": ("n_layers", 6),
    "heads": ("n_heads", 12),
    "inner_width": ("hidden_dim", 3072),
    "positions": ("max_position_embeddings", 512),
    "pad_id": ("pad_token_id", 0),
    "activation": ("activation", "gelu"),
    "dropout": ("dropout", 0.1),
    "attention_dropout": ("attention_dropout", 0.1),
    "initializer_range": ("initializer_range", 0.02),
}
_BERT: dict[str, tuple[str, Any]] = {
    "vocab_size": ("vocab_size", 30522),
    "width": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "inner_width": ("intermediate_size", 3072),
    "positions": ("max_position_embeddings", 512),
    "pad_id": ("pad_token_id", 0),
    "types": ("type_vocab_size", 2),
    "activation": ("hidden_act", "gelu"),
    "epsilon": ("layer_norm_eps", 1e-12),
    "dropout": ("hidden_dropout_prob", 0.1),
    "attention_dropout": ("attention_probs_dropout_prob", 0.1),
    "head_dropout": ("classifier_dropout", None),
    "initializer_range": ("initializer_range", 0.02),
}
_ROBERTA = _BERT | {"pad_id": ("pad_token_id", 1)}
_KEYS = {
    "distilbert": _DISTILBERT,
    "bert": _BERT,
    "roberta": _ROBERTA | {"vocab_size": ("vocab_size", 50265)},
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}
# Other names under which transformers takes a DistilBERT's values.
_ALIASES = {"dim": "hidden_size", "n_heads": "num_attention_heads", "n_layers": "num_hidden_layers"}

# Keys that change what the encoder computes, and the only values with which it computes what this room does.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "position_embedding_type": ("absolute", None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}
_COUNTS = ("vocab_size", "width", "layers", "heads", "inner_width", "positions")
_SHARE = "a share from 0 up and below 1 is needed"
_SHARES = ("dropout", "attention_dropout", "head_dropout")


@dataclass(frozen=True)
class Architecture:
    """An encoder's sizes and settings; one with a head of one dense layer follows from it and the labels.

    Attributes:
        kind: `distilbert`, `bert`, `roberta`, `xlm-roberta` or `camembert`.
        vocab_size: pieces that it knows.
        width: numbers in a hidden state.
        layers: transformer layers.
        heads: attention heads; they divide `width`.
        inner_width: numbers in the middle of a feed-forward block.
        positions: rows of the position table.
        position_offset: the first piece's row; not 0 where padding has a row of its own (RoBERTa).
        pad_id: the padding piece's id; None where there is none.
        types: rows of the token-type table; 0 where there is none (DistilBERT).
        activation: transformers' name of the feed-forward block's activation.
        epsilon: of the layer norms.
        dropout: of hidden states in training, 0 to 1.
        attention_dropout: of attention probabilities in training, 0 to 1.
        head_dropout: before the head in training, 0 to 1.
        initializer_range: standard deviation of new weights.
    """

    kind: str
    vocab_size: int
    width: int
    layers: int
    heads: int
    inner_width: int
    positions: int
    position_offset: int
    pad_id: int | None
    types: int
    activation: str
    epsilon: float
    dropout: float
    attention_dropout: float
    head_dropout: float
    initializer_range: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: str | None = None) -> Architecture:
        """Read the values of a `config.json`; keys left out count as transformers counts them.

        Args:
            config: the values.
            where: where they come from, for messages.

        Raises:
            InputError: the model would compute something else; the message names the key and its value.
        """
        kind = config.get("model_type")
        if kind not in tuple(_CLASSES):
            raise InputError(
                f"model_type is {kind!r}; the Keras engine knows {', '.join(_CLASSES)}",
                where=where,
                mend="use one of those, or the engine torch",
            )
        for key, plain in _PLAIN.items():
            if config.get(key) not in plain:
                raise _refused(key, config[key], "the Keras engine does not compute that", where)
        values: dict[str, Any] = {"kind": kind, "types": 0, "epsilon": 1e-12, "head_dropout": None}
        keys: dict[str, str] = {}
        for field, (key, default) in _KEYS[kind].items():
            if key not in config and kind == "distilbert" and _ALIASES.get(key) in config:
                key = _ALIASES[key]
            values[field], keys[field] = config.get(key, default), key
        _check(values, keys, where)
        if values["head_dropout"] is None:
            values["head_dropout"] = values["dropout"]
        values["position_offset"] = values["pad_id"] + 1 if kind in ROBERTAS else 0
        if values["positions"] <= values["position_offset"]:
            raise _refused(keys["positions"], values["positions"], "no piece has a position", where)
        for field in ("epsilon", "initializer_range", *_SHARES):
            values[field] = float(values[field])
        return cls(**values)

    @property
    def limit(self) -> int:
        """Pieces that are taken at once."""
        return self.positions - self.position_offset

    def with_dropout(
        self, config: Mapping[str, Any], dropout: float | None, attention_dropout: float | None
    ) -> dict[str, Any]:
        """Return the values of a `config.json` with other dropouts; None leaves one as it is.

        Raises:
            InputError: a dropout is no share.
        """
        new = {"dropout": dropout, "attention_dropout": attention_dropout}
        values = dict(config)
        for field, share in new.items():
            if share is not None:
                if not _is_share(share):
                    raise InputError(f"{field} is {share!r}", mend=_SHARE)
                values[_KEYS[self.kind][field][0]] = share
        return values

    def with_labels(self, config: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
        """Return the values of a `config.json` as a tagger's with these labels, its weights in fp32."""
        values = {key: value for key, value in config.items() if key not in ("torch_dtype", "num_labels")}
        return values | {
            "architectures": [f"{_CLASSES[self.kind]}ForTokenClassification"],
            "dtype": "float32",
            "id2label": {str(number): name for number, name in enumerate(labels)},
            "label2id": {name: number for number, name in enumerate(labels)},
        }

    def to_config(self) -> dict[str, Any]:
        """Return values of a `config.json` that describe this architecture."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {key: named[field] for field, (key, _) in _KEYS[self.kind].items()}
        return {"model_type": self.kind, **values}


def _check(values: dict[str, Any], keys: dict[str, str], where: str | None) -> None:
    """Refuse values with which there is no encoder."""
    for field in (*_COUNTS, *(["types"] if "types" in keys else [])):
        if type(values[field]) is not int or values[field] < 1:
            raise _refused(keys[field], values[field], "a number from 1 up is needed", where)
    if values["width"] % values["heads"]:
        raise _refused(
            keys["heads"], values["heads"], f"it does not divide {keys['width']} = {values['width']}", where
        )
    pad = values["pad_id"]
    if pad is None and values["kind"] in ROBERTAS:
        raise _refused("pad_token_id", pad, "positions are counted from it", where)
    if pad is not None and (type(pad) is not int or not 0 <= pad < values["vocab_size"]):
        raise _refused("pad_token_id", pad, f"an id below {values['vocab_size']} is needed", where)
    for field in _SHARES:
        share = values[field]
        if share is None and field == "head_dropout":
            continue
        if not _is_share(share):
            raise _refused(keys[field], share, _SHARE, where)
    for field in ("epsilon", "initializer_range"):
        if not _is_number(values[field]) or not 0 < values[field] < 100:
            raise _refused(keys.get(field, field), values[field], "a number above 0 is needed", where)
    if values["activation"] not in tuple(ACTIVATIONS):
        known = f"the Keras engine knows {', '.join(sorted(ACTIVATIONS))}"
        raise _refused(keys["activation"], values["activation"], known, where)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1


def _refused(key: str, value: Any, reason: str, where: str | None) -> InputError:
    return InputError(
        f"{key} is {value!r}: {reason}", where=where, mend="mend config.json, or use another encoder"
    )
