"""An encoder with a head for the labels at hand: from the Hub, from a folder, or the offline `minilm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from tokenizers import Tokenizer
from torch import nn

from tagwright.data.reach import hub_reachable
from tagwright.encode.align import with_prefix_space
from tagwright.errors import InputError
from tagwright.model.bundle import check_weights
from tagwright.model.huggingface import first_line, piece_limit, quiet
from tagwright.model.minilm import minilm_files, minilm_weights
from tagwright.tags import LabelMap

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = ["Network", "build_network", "fit_head", "load_tokenizer_of", "pieces_limit_of"]

MINILM = "minilm"
HEADS = ("classifier", "score")


@dataclass
class Network:
    """An encoder with a head, and what belongs to it.

    Attributes:
        model: the transformers model, in fp32.
        tokenizer: its fast tokenizer.
        max_pieces: pieces it takes at once, special ones included.
        notices: what was kept and what is new, in words.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_pieces: int
    notices: list[str] = field(default_factory=list)


def build_network(
    encoder: str,
    labels: LabelMap,
    *,
    dropout: float | None = None,
    attention_dropout: float | None = None,
    seed: int = 42,
) -> Network:
    """Load an encoder and give it a head for the labels.

    Args:
        encoder: `minilm`, a folder, or a name on the Hub (`owner/name[@revision]`).
        labels: the labels of the head.
        dropout: dropout of hidden states in training; None keeps the encoder's own.
        attention_dropout: the same for attention probabilities.
        seed: seed of the head's new rows.

    Raises:
        InputError: there is no such encoder, it cannot be reached, or it has no fast tokenizer.
        MissingExtraError: `minilm` is not installed.
    """
    tokenizer = load_tokenizer_of(encoder)
    if encoder == MINILM:
        values, weights, _ = minilm_weights()
        config = transformers.DistilBertConfig(**values)
        _set_dropout(config, dropout, attention_dropout)
        config.num_labels = 1
        with _seeded(seed):
            model = transformers.DistilBertForTokenClassification(config)
        model.distilbert.load_state_dict(weights)
        missing = list(HEADS)
    else:
        name, where = _locate(encoder)
        config = _load_config(encoder)
        _set_dropout(config, dropout, attention_dropout)
        try:
            with quiet(), _seeded(seed):
                model, found = transformers.AutoModelForTokenClassification.from_pretrained(
                    name, config=config, dtype=torch.float32, output_loading_info=True, **where
                )
        except Exception as error:  # the library raises whatever its readers raise
            raise _unreachable(encoder, error) from error
        missing = [key.split(".")[0] for key in found["missing_keys"]]
        body = sorted(key for key in found["missing_keys"] if key.split(".")[0] not in HEADS)
        if body:
            raise InputError(
                f"the weights lack {len(body)} tensors of the encoder, such as {body[0]}",
                where=encoder,
                mend="the folder is damaged or holds another architecture; save it again",
            )
    for key, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"the weights hold numbers that are not finite, in {key}",
                where=encoder,
                mend="the file is damaged, or training diverged; use another copy",
            )
    notices = fit_head(model, labels, trained=not set(missing) & set(HEADS), seed=seed)
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        with quiet(), _seeded(seed):
            model.resize_token_embeddings(len(tokenizer))
        notices.append(
            f"the tokenizer has {len(tokenizer) - known} pieces more than the encoder: they are new"
        )
    limit = piece_limit(model.config.to_dict(), getattr(tokenizer, "model_max_length", None))
    return Network(model, tokenizer, limit, notices)


def load_tokenizer_of(encoder: str) -> PreTrainedTokenizerFast:
    """Load an encoder's fast tokenizer, with `add_prefix_space` where words need it.

    Raises:
        InputError: there is no tokenizer, or only a slow one.
    """
    if encoder == MINILM:
        folder = minilm_files()
        backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        backend.no_padding()
        backend.no_truncation()
        # Not BertTokenizer: that one gives token_type_ids, which DistilBERT does not take.
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend,
            model_max_length=512,
            model_input_names=["input_ids", "attention_mask"],
            unk_token="[UNK]",
            sep_token="[SEP]",
            pad_token="[PAD]",
            cls_token="[CLS]",
            mask_token="[MASK]",
        )
    name, where = _locate(encoder)
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, **where)
    except Exception as error:  # the library raises whatever its readers raise
        if Path(encoder).is_dir():
            raise InputError(
                f"no tokenizer can be loaded: {first_line(error)}",
                where=encoder,
                mend="save it there: AutoTokenizer.from_pretrained(ENCODER).save_pretrained(FOLDER)",
            ) from error
        raise _unreachable(encoder, error) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise InputError(
            f"the tokenizer ({type(tokenizer).__name__}) has no fast version",
            where=encoder,
            mend="use an encoder with a tokenizer.json",
        )
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # some classes load from nothing
        raise InputError(
            "there is no tokenizer in the folder",
            where=encoder,
            mend="save it there: AutoTokenizer.from_pretrained(ENCODER).save_pretrained(FOLDER)",
        )
    return with_prefix_space(tokenizer)


def pieces_limit_of(encoder: str) -> int:
    """Return how many pieces an encoder takes at once, special ones included."""
    if encoder == MINILM:
        return 512
    config = _load_config(encoder).to_dict()
    return piece_limit(config, getattr(load_tokenizer_of(encoder), "model_max_length", None))


def _load_config(encoder: str) -> Any:
    name, where = _locate(encoder)
    try:
        with quiet():
            return transformers.AutoConfig.from_pretrained(name, **where)
    except Exception as error:  # the library raises whatever its readers raise
        raise _unreachable(encoder, error) from error


def fit_head(model: PreTrainedModel, labels: LabelMap, *, trained: bool, seed: int) -> list[str]:
    """Give the model a head with one row a label; rows of labels that it already had are kept.

    Args:
        model: the model; changed in place.
        labels: the labels of the new head.
        trained: whether the present head holds trained rows.
        seed: seed of the new rows, drawn from N(0, `initializer_range`).

    Returns:
        What was kept and what is new, in words.

    Raises:
        InputError: the model's head is not one dense layer.
    """
    name = next((name for name in HEADS if isinstance(getattr(model, name, None), nn.Linear)), None)
    if name is None:
        raise InputError(f"{type(model).__name__} has no head of one dense layer", mend="use another encoder")
    old: nn.Linear = getattr(model, name)
    old_names = model.config.id2label
    with _seeded(seed):  # a layer draws weights when it is made
        head = nn.Linear(old.in_features, len(labels), bias=old.bias is not None)
    spread = getattr(model.config, "initializer_range", 0.02)
    with torch.no_grad():
        head.weight.copy_(
            torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(seed)) * spread
        )
        if old.bias is not None:
            head.bias.zero_()
        kept = []
        if trained:
            places = {str(label): int(row) for row, label in old_names.items()}
            for row, label in enumerate(labels.names):
                if label in places:
                    head.weight[row] = old.weight[places[label]]
                    if old.bias is not None:
                        head.bias[row] = old.bias[places[label]]
                    kept.append(label)
    setattr(model, name, head)
    model.num_labels = len(labels)
    model.config.id2label = labels.id2label
    model.config.label2id = dict(labels.label2id)
    if not trained:
        return []
    new = [label for label in labels.names if label not in kept]
    gone = [str(label) for label in old_names.values() if str(label) not in labels.label2id]
    if not new and not gone:
        return [f"the checkpoint's head is kept: all {len(kept)} labels are the same"]
    return [
        f"the checkpoint has a head of other labels: kept {_list(kept)}; new {_list(new)}; dropped {_list(gone)}"
    ]


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"{len(names)} ({shown})" if names else "none"


def _set_dropout(config: Any, dropout: float | None, attention_dropout: float | None) -> None:
    for value, keys in (
        (dropout, ("dropout", "hidden_dropout_prob", "resid_dropout", "mlp_dropout")),
        (attention_dropout, ("attention_dropout", "attention_probs_dropout_prob")),
    ):
        if value is None:
            continue
        present = [key for key in keys if hasattr(config, key)]
        if not present:
            raise InputError(
                f"{type(config).__name__} has none of {', '.join(keys)}",
                mend="leave model.dropout and model.attention_dropout out",
            )
        for key in present:
            setattr(config, key, value)


class _seeded:  # noqa: N801 - used as a context manager
    """Seed torch's default generator for a block and put its state back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.state = torch.random.get_rng_state()
        torch.random.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.random.set_rng_state(self.state)


def _locate(encoder: str) -> tuple[str, dict[str, Any]]:
    """Split an encoder's name into what `from_pretrained` takes."""
    if Path(encoder).is_dir():
        return encoder, {"local_files_only": True, "trust_remote_code": False}
    if encoder.startswith((".", "/", "~")) or encoder.count("/") > 1 or Path(encoder).exists():
        raise InputError(
            f"there is no folder {encoder!r}", mend="name a model folder, a name on the Hub or minilm"
        )
    name, _, revision = encoder.partition("@")
    return name, {
        "revision": revision or None,
        "local_files_only": not hub_reachable(),
        "trust_remote_code": False,  # or it asks on stdin whether to run the model's own code
    }


def _unreachable(encoder: str, error: Exception) -> InputError:
    """Say why an encoder could not be loaded, and what to do."""
    if Path(encoder).is_dir():
        check_weights(Path(encoder))
        return InputError(f"the model cannot be loaded: {first_line(error)}", where=encoder)
    if not hub_reachable():
        return InputError(
            f"the encoder {encoder!r} is not on this machine and the Hub cannot be reached",
            mend="download it where there is a network (hf download NAME --local-dir DIR) and name the folder, "
            "or use the offline encoder: --model minilm",
        )
    return InputError(f"the encoder {encoder!r} cannot be loaded: {first_line(error)}")
