"""From data to a bundle, on a model that fits into a thimble."""

from __future__ import annotations

import importlib.util
import json
from itertools import chain
from pathlib import Path

import pytest
import torch
import transformers

import tagwright as tw
from tagwright.config import Recipe
from tagwright.data.load import load_data
from tagwright.errors import InputError, RunError
from tagwright.model.bundle import load_model, read_meta
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.tags import Scheme, convert_tags
from tagwright.train.engine import train
from tests.train.toy import FAST, Quiet, conll, run, sentences, write_corpus, write_encoder


@pytest.fixture(scope="module")
def trained(corpus, encoder, tmp_path_factory):
    console = Quiet()
    result = run(corpus, encoder, tmp_path_factory.mktemp("runs") / "whole", console=console, train__epochs=3)
    return result, console.text


def test_the_model_learns(trained):
    scores = trained[0].scores
    assert scores["validation"]["lenient"]["f1"] > 0.5
    assert scores["test"]["lenient"]["f1"] > 0.5


def test_plain_transformers_loads_the_bundle(trained):
    folder = trained[0].path
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    assert type(model) is transformers.DistilBertForTokenClassification
    assert model.config.id2label == dict(enumerate(["O", "B-location", "I-location", "B-person", "I-person"]))
    tagger = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy="simple")
    found = tagger("It is the view from New York")
    assert found
    assert {entity["entity_group"] for entity in found} <= {"location", "person"}
    ours = tw.Tagger.load(folder)("It is the view from New York")
    assert ours
    assert {entity.label for entity in ours} <= {"location", "person"}


def test_only_the_bundle_is_left(trained):
    names = {entry.name for entry in trained[0].path.iterdir()}
    assert names == {
        "config.json",
        "model.safetensors",
        "tagwright.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_record_says_how_it_was_made(trained, corpus, encoder):
    result, _ = trained
    meta = read_meta(result.path)
    made = meta.made
    assert (meta.scheme.value, meta.max_pieces, meta.splitter, meta.overlap) == ("iob2", 64, "english", 64)
    assert made["engine"] == "torch"
    assert made["seed"] == 42
    assert made["steps"] == 18
    assert made["best_step"] in (6, 12, 18)
    assert made["scores"] == result.scores
    history = made["history"]
    assert [(one["step"], one["epoch"]) for one in history] == [(6, 1.0), (12, 2.0), (18, 3.0)]
    best = next(one for one in history if one["step"] == made["best_step"])
    assert best["f1"] == max(one["f1"] for one in history)
    assert best["f1"] == pytest.approx(made["scores"]["validation"]["lenient"]["f1"], abs=0.05)
    assert history[0]["loss"] > history[2]["loss"] > 0
    assert history[0]["learning_rate"] > history[1]["learning_rate"] > history[2]["learning_rate"] >= 0
    losses = made["losses"]
    assert [one["step"] for one in losses] == list(range(1, 19))
    assert sum(one["loss"] for one in losses[:6]) / 6 == pytest.approx(history[0]["loss"])
    assert made["data"]["source"] == str(corpus)
    assert made["data"]["sentences"] == {"train": 48, "validation": 16, "test": 16}
    assert len(made["data"]["sha256"]) == 64
    assert {"python", "torch", "transformers", "tagwright"} <= set(made["versions"])
    recipe = made["recipe"]
    assert recipe["model"]["encoder"] == str(encoder)
    assert recipe["train"]["learning_rate"] == FAST["train.learning_rate"]
    assert recipe["train"]["precision"] == meta.precision != "auto"
    assert recipe["encode"]["max_pieces"] == 64
    Recipe.model_validate(recipe)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_scores_are_those_of_the_bundle(trained, corpus, split):
    result, _ = trained
    scores = tw.evaluate(result.path, corpus, split=split, precision=result.recipe.train.precision)
    assert scores.to_dict() == result.scores[split]


def test_the_bundle_is_scored_in_the_batches_of_evaluate(corpus, encoder, tmp_path, monkeypatch):
    """In bf16 other batches can tip a tag, and what a bundle tells of itself must be what `evaluate` finds."""
    shapes, logits = [], TorchRuntime.logits

    def watched(self, input_ids, attention_mask):
        if type(self) is TorchRuntime:  # and not the model in training
            shapes.append(input_ids.shape)
        return logits(self, input_ids, attention_mask)

    monkeypatch.setattr(TorchRuntime, "logits", watched)
    result = run(corpus, encoder, tmp_path / "run", train__epochs=1, predict__batch_pieces=64)
    scored, shapes[:] = shapes[:], []
    for split in ("validation", "test"):
        tw.evaluate(result.path, corpus, split=split, precision=result.recipe.train.precision)
    assert scored == shapes != []


def test_what_is_shown(trained):
    result, text = trained
    assert "training " in text
    assert "48 sentences" in text
    assert "epoch 1.00/3  step 6/18  validation F1 " in text
    assert "best so far" in text
    assert result.pieces == 3 * int(text.split(" pieces)")[0].split()[-1].replace(",", ""))
    assert 0 < result.seconds < 60
    assert "Warning" not in text


def test_the_same_call_gives_the_same_tagger(trained, corpus, encoder, tmp_path):
    again = run(corpus, encoder, tmp_path / "again", train__epochs=3)
    first = trained[0].path / "model.safetensors"
    assert first.read_bytes() == (again.path / "model.safetensors").read_bytes()
    other = run(corpus, encoder, tmp_path / "other", train__epochs=3, train__seed=1)
    assert first.read_bytes() != (other.path / "model.safetensors").read_bytes()


def test_nothing_stray_is_written_to_stdout_or_stderr(corpus, encoder, tmp_path, capfd):
    run(corpus, encoder, tmp_path / "run", train__epochs=1, train__early_stopping=1)
    assert capfd.readouterr() == ("", "")


# Precision and the fast step


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("fast", [True, False])
def test_scores_hold_at_every_precision(corpus, encoder, tmp_path, precision, fast):
    settings = {"train__precision": precision, "train__fast_step": fast}
    console = Quiet()
    result = run(corpus, encoder, tmp_path / "run", console=console, **settings)
    assert ("fast step" in console.text) is fast
    assert read_meta(result.path).precision == precision
    scores = tw.evaluate(result.path, corpus, precision=precision)
    assert scores.to_dict() == result.scores["test"]
    assert all(tensor.dtype == torch.float32 for tensor in load_model(result.path).state_dict().values())


def test_an_encoder_that_does_not_fit_the_fast_step_trains_without(corpus, tmp_path, monkeypatch):
    encoder = write_encoder(tmp_path / "encoder")
    layer = transformers.models.distilbert.modeling_distilbert.FFN
    plain = layer.ff_chunk

    def picky(self, hidden):
        if hidden.dtype != torch.float32 and not torch.is_autocast_enabled("cpu"):
            raise RuntimeError("fp32 only")
        return plain(self, hidden)

    monkeypatch.setattr(layer, "ff_chunk", picky)
    result = run(corpus, encoder, tmp_path / "run", train__epochs=1, train__precision="fp32")
    assert not any("without the fast step" in line for line in result.notices)
    console = Quiet()
    with pytest.raises(RuntimeError, match="fp32 only"):  # the runtime's own copy in bf16, after training
        run(corpus, encoder, tmp_path / "bf16", train__epochs=1, train__precision="bf16", console=console)
    assert "does not fit (RuntimeError: fp32 only)" in console.text
    assert "validation F1" in console.text


# Data


def test_without_a_validation_split_a_tenth_is_held_out(encoder, tmp_path):
    data = write_corpus(tmp_path / "data", validation=0)
    result = run(data, encoder, tmp_path / "run", train__epochs=1)
    made = read_meta(result.path).made
    assert made["data"]["sentences"] == {"train": 43, "validation": 5, "test": 16}
    [line] = [line for line in result.notices if "held out" in line]
    assert line in made["data"]["notices"]
    assert made["recipe"]["data"]["validation_share"] == 0.1
    assert result.notices.count(line) == 1


def test_train_alone_will_do(encoder, tmp_path):
    file = tmp_path / "words.conll"
    file.write_text(conll(sentences(30, 0)))
    result = run(file, encoder, tmp_path / "run", train__epochs=1)
    assert list(result.scores) == ["validation"]


def test_a_dataset_in_memory_will_do(corpus, encoder, tmp_path):
    result = run(load_data(corpus), encoder, tmp_path / "run", train__epochs=1)
    assert read_meta(result.path).made["data"]["source"] == "DatasetDict"


@pytest.mark.parametrize("scheme", ["bioes", "bilou", "io"])
def test_tags_are_converted_before_training(corpus, encoder, tmp_path, scheme):
    result = run(corpus, encoder, tmp_path / "run", data__tag_scheme=scheme, train__epochs=3)
    meta = read_meta(result.path)
    assert meta.scheme.value == scheme
    assert {name[0] for name in meta.labels} == {
        "bioes": set("OBIES"),
        "bilou": set("OBILU"),
        "io": set("OI"),
    }[scheme]
    assert result.scores["test"]["lenient"]["f1"] > 0.3
    scores = tw.evaluate(result.path, corpus, precision=result.recipe.train.precision)  # converted on the way
    assert scores.to_dict() == result.scores["test"]


def rewrite(folder: Path, target: Path, scheme: str) -> Path:
    """Write a corpus in another scheme."""
    target.mkdir()
    for file in folder.iterdir():
        blocks = [
            [line.split("\t") for line in block.split("\n")]
            for block in file.read_text().strip().split("\n\n")
        ]
        tags = convert_tags([[tag for _, tag in block] for block in blocks], Scheme.IOB2, Scheme(scheme))
        rows = [[word for word, _ in block] for block in blocks]
        found = [list(zip(*pair, strict=True)) for pair in zip(rows, tags, strict=True)]
        (target / file.name).write_text(conll(found))
    return target


@pytest.mark.parametrize("scheme", ["iob1", "bioes", "io"])
def test_data_of_every_scheme_trains(corpus, encoder, tmp_path, scheme):
    data = rewrite(corpus, tmp_path / "data", scheme)
    # Few spans touch, so an IOB1 file looks like IO until one does.
    result = run(data, encoder, tmp_path / "run", data__scheme=scheme, train__epochs=3)
    assert read_meta(result.path).scheme.value == scheme
    assert result.scores["test"]["lenient"]["f1"] > 0.3


def test_labels_that_train_lacks_are_told_and_have_a_row(encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    with (data / "test.conll").open("a") as file:
        file.write("storm\tB-event\nhere\tO\n\n")
    result = run(data, encoder, tmp_path / "run", train__epochs=1)
    assert any("test has tags that train lacks: B-event (1)" in line for line in result.notices)
    assert "B-event" in read_meta(result.path).labels
    assert result.scores["test"]["lenient"]["per_type"]["event"]["support"] == 1


def test_invalid_tags_are_told_once_with_their_place(encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    with (data / "train.conll").open("a") as file:
        file.write("storm\tO\nYork\tI-location\n\n")
    result = run(data, encoder, tmp_path / "run", train__epochs=1)
    [line] = [line for line in result.notices if "the scheme iob2" in line]
    assert "train.conll:" in line


def test_a_train_split_without_entities_is_refused(encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    (data / "train.conll").write_text("a\tO\nb\tO\n\n" * 9)
    with pytest.raises(InputError, match="the train split holds no entity"):
        run(data, encoder, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_validation_split_without_entities_is_told(encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    (data / "dev.conll").write_text("a\tO\nb\tO\n\n" * 9)
    result = run(data, encoder, tmp_path / "run", train__epochs=1)
    assert any("the validation split holds no entity" in line for line in result.notices)
    assert result.scores["validation"]["lenient"]["f1"] == 0


def test_one_label_a_word_will_do(encoder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for seed, name in enumerate(("train", "dev", "test")):
        found = [
            [(word, "NAME" if tag != "O" else "WORD") for word, tag in words] for words in sentences(24, seed)
        ]
        (data / f"{name}.conll").write_text(conll(found))
    result = run(data, encoder, tmp_path / "run")
    meta = read_meta(result.path)
    assert (meta.scheme.value, sorted(meta.labels)) == ("word", ["NAME", "WORD"])
    assert result.scores["test"]["accuracy"] > 0.8


# Long text


@pytest.fixture
def long_data(tmp_path):
    data = write_corpus(tmp_path / "long")
    for name in ("train", "dev", "test"):
        file = data / f"{name}.conll"
        file.write_text(file.read_text() + conll([list(chain.from_iterable(sentences(20, 7)))]))
    return data


def test_long_documents_are_cut_into_windows(long_data, encoder, tmp_path):
    result = run(long_data, encoder, tmp_path / "run")
    assert result.scores["test"]["lost_words"] == 0
    assert result.scores["test"]["lenient"]["f1"] > 0.3
    assert read_meta(result.path).on_overflow == "window"
    scores = tw.evaluate(result.path, long_data, precision=result.recipe.train.precision)
    assert scores.to_dict() == result.scores["test"]


def test_truncated_words_are_counted(long_data, encoder, tmp_path):
    result = run(long_data, encoder, tmp_path / "run", encode__on_overflow="truncate", train__epochs=1)
    lost = result.scores["test"]["lost_words"]
    assert lost > 50
    assert any(line.startswith(f"test: {lost} words lie beyond the window") for line in result.notices)
    scores = tw.evaluate(result.path, long_data, precision=result.recipe.train.precision)
    assert scores.to_dict() == result.scores["test"]


def test_too_long_is_an_error_when_asked_and_leaves_no_run(long_data, encoder, tmp_path):
    with pytest.raises(InputError, match=r"train, sentence 48: .* pieces are more than a window of 64 holds"):
        run(long_data, encoder, tmp_path / "run", encode__on_overflow="error")
    assert not (tmp_path / "run").exists()


def test_windows_longer_than_the_encoder_takes_are_refused(corpus, encoder, tmp_path):
    with pytest.raises(InputError, match=r"encode.max_pieces = 65 is more than the 64 pieces"):
        run(corpus, encoder, tmp_path / "run", encode__max_pieces=65)


# Steps


def weights(result) -> dict[str, torch.Tensor]:
    return load_model(result.path).state_dict()


def test_two_batches_of_four_are_one_of_eight(corpus, tmp_path):
    encoder = write_encoder(tmp_path / "encoder", dropout=0.0, attention_dropout=0.0)
    settings = {"train__length_grouping": False, "train__precision": "fp32", "train__learning_rate": 1e-3}
    one = run(corpus, encoder, tmp_path / "one", train__batch_size=8, **settings)
    two = run(corpus, encoder, tmp_path / "two", train__batch_size=4, train__accumulation=2, **settings)
    assert read_meta(one.path).made["steps"] == read_meta(two.path).made["steps"] == 12
    ours, theirs = weights(one), weights(two)
    for name, tensor in ours.items():
        if not name.endswith("k_lin.bias"):  # its gradient is zero but for rounding, which AdamW blows up
            torch.testing.assert_close(theirs[name], tensor, atol=2e-4, rtol=0)


def test_part_of_an_epoch_will_do(corpus, encoder, tmp_path):
    result = run(corpus, encoder, tmp_path / "run", train__epochs=1.5)
    assert read_meta(result.path).made["steps"] == 9


def test_all_pieces_may_be_labelled(corpus, encoder, tmp_path):
    first = run(corpus, encoder, tmp_path / "first", train__epochs=1)
    every = run(corpus, encoder, tmp_path / "all", train__epochs=1, encode__label_pieces="all")
    assert (first.path / "model.safetensors").read_bytes() != (every.path / "model.safetensors").read_bytes()


def test_dropout_is_set(corpus, encoder, tmp_path):
    result = run(
        corpus, encoder, tmp_path / "run", train__epochs=1, model__dropout=0.0, model__attention_dropout=0.25
    )
    config = json.loads((result.path / "config.json").read_text())
    assert (config["dropout"], config["attention_dropout"]) == (0.0, 0.25)


class Spoil(transformers.TrainerCallback):
    """Does something to the model after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_step_end(self, args, state, control, *, model, **_):
        if state.global_step == self.step:
            with torch.no_grad():
                self.action(model)


def forget(model):
    model.classifier.weight.zero_()
    model.classifier.bias.zero_()


@pytest.mark.parametrize("fast", [True, False])
def test_the_best_step_is_kept(corpus, encoder, tmp_path, fast):
    settings = {"train__epochs": 3, "train__fast_step": fast}
    best = run(corpus, encoder, tmp_path / "best", callbacks=[Spoil(18, forget)], **settings)
    made = read_meta(best.path).made
    assert made["steps"] == 18
    assert made["best_step"] in (6, 12)
    assert f"kept the weights of step {made['best_step']}, the best on validation" in best.notices
    assert best.scores["validation"]["lenient"]["f1"] > 0.3
    last = run(
        corpus, encoder, tmp_path / "last", callbacks=[Spoil(18, forget)], train__keep_best=False, **settings
    )
    assert read_meta(last.path).made["best_step"] == 18
    assert last.scores["validation"]["lenient"]["f1"] < 0.1


def test_early_stopping_stops(corpus, encoder, tmp_path):
    settings = {"train__epochs": 9, "train__learning_rate": 1e-9, "train__early_stopping": 2}
    result = run(corpus, encoder, tmp_path / "run", **settings)
    made = read_meta(result.path).made
    assert (made["steps"], made["best_step"]) == (18, 6)


class Checkpoints(transformers.TrainerCallback):
    """Notes which checkpoints lie there after each save."""

    def __init__(self):
        self.seen = []

    def on_save(self, args, state, control, **_):
        self.seen.append(
            sorted(int(entry.name.split("-")[1]) for entry in Path(args.output_dir).glob("checkpoint-*"))
        )


def test_checkpoints_come_every_so_many_steps_and_after_each_epoch(corpus, encoder, tmp_path):
    watch = Checkpoints()
    settings = {"train__save_steps": 4, "train__learning_rate": 1e-9}
    result = run(
        corpus, encoder, tmp_path / "run", callbacks=[watch], train__keep_checkpoints=True, **settings
    )
    assert watch.seen == [[4], [6], [6, 8], [6, 12]]  # the best, which is the first here, and the newest
    folder = result.path / "checkpoints"
    assert sorted(entry.name for entry in folder.iterdir()) == ["checkpoint-12", "checkpoint-6", "run.json"]


# What stops a run


def poison(model):
    model.classifier.weight[0, 0] = float("nan")


def test_a_loss_that_is_not_finite_stops_the_run(corpus, encoder, tmp_path):
    with pytest.raises(RunError) as caught:
        run(corpus, encoder, tmp_path / "run", callbacks=[Spoil(7, poison)])
    line = str(caught.value)
    assert "the loss is nan at step 8 of 12" in line
    assert "the checkpoint of step 6 is in" in line
    assert "lower train.learning_rate (now 0.01)" in line
    assert "\n" not in line
    assert caught.value.exit_code == 1


def test_gradients_that_are_not_finite_stop_the_run_before_they_reach_the_weights(corpus, encoder, tmp_path):
    class Explode(transformers.TrainerCallback):
        def on_train_begin(self, args, state, control, *, model, **_):
            model.classifier.bias.register_hook(
                lambda gradient: gradient * (1 if state.global_step < 3 else torch.inf)
            )

    with pytest.raises(RunError, match=r"the norm of the gradients is (inf|nan) at step 4 of 12"):
        run(corpus, encoder, tmp_path / "run", callbacks=[Explode()], train__save_steps=1)
    saved = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "run/checkpoints/checkpoint-3"
    )
    assert all(tensor.isfinite().all() for tensor in saved.state_dict().values())


def test_too_little_memory_stops_the_run_with_what_to_do(corpus, encoder, tmp_path):
    class Greedy(transformers.TrainerCallback):
        def on_train_begin(self, args, state, control, *, model, **_):
            def refuse(module, positional):
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")

            model.classifier.register_forward_pre_hook(refuse)

    with pytest.raises(RunError, match=r"out of memory at step 1, in a batch of 8; lower train.batch_size"):
        run(corpus, encoder, tmp_path / "run", callbacks=[Greedy()])


def test_gradients_may_go_unclipped(corpus, encoder, tmp_path):
    result = run(corpus, encoder, tmp_path / "run", train__max_grad_norm=0, train__learning_rate=1e-3)
    clipped = run(corpus, encoder, tmp_path / "clipped", train__max_grad_norm=0.1, train__learning_rate=1e-3)
    assert not torch.equal(weights(result)["classifier.weight"], weights(clipped)["classifier.weight"])


# The call


def test_the_guides_recipe_trains(corpus, encoder, tmp_path):
    result = run(corpus, encoder, tmp_path / "run", recipe="guide")
    settings = result.recipe.train
    assert (settings.learning_rate, settings.batch_size, settings.epochs) == (2e-5, 16, 3)
    meta = read_meta(result.path)
    assert (meta.valid_tags, meta.precision) == (False, "fp32")
    assert meta.made["steps"] == 9


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        ("nonesuch", "train.report_to: nonesuch is not supported, only "),
        ("comet_ml", "train.report_to: CometCallback requires comet-ml"),
    ],
)
def test_a_tracker_that_is_not_there_is_refused(corpus, encoder, tmp_path, tracker, message):
    if importlib.util.find_spec(tracker):
        pytest.skip(f"{tracker} is installed")
    with pytest.raises(InputError) as caught:
        run(corpus, encoder, tmp_path / "run", train__report_to=[tracker])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_recipe_object_will_do_and_is_left_alone(corpus, encoder, tmp_path):
    recipe = Recipe.load(
        None, {**FAST, "train.epochs": 1, "model.encoder": str(encoder), "data.source": str(corpus)}
    )
    before = recipe.model_copy(deep=True)
    result = tw.train(recipe, out=tmp_path / "run", console=Quiet())
    assert result.recipe.train.epochs == 1
    assert recipe == before
    with pytest.raises(InputError, match="settings go with a recipe's name or file"):
        tw.train(recipe, settings=["train.seed=1"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"model": "minilm"}, "no data was named"),
        ({"data": "sample"}, "no encoder was named"),
        (
            {"data": "sample", "model": "minilm", "settings": ["train.learning_rate=-1"]},
            "train.learning_rate = -1",
        ),
        ({"data": "sample", "model": "minilm", "settings": ["train.lr=1"]}, "unknown recipe key 'train.lr'"),
        ({"data": "sample", "model": "minilm", "settings": ["encode.splitter=none"]}, "splitter"),
        ({"data": "sample", "model": "./nowhere"}, "there is no folder './nowhere'"),
        ({"data": "sample", "model": "a/b/c"}, "there is no folder 'a/b/c'"),
        ({"data": "nowhere.conll", "model": "minilm"}, "nowhere.conll: there is no such file"),
    ],
)
def test_a_wrong_call_leaves_nothing_behind(call, message, tmp_path):
    with pytest.raises(InputError) as caught:
        train(**call, out=tmp_path / "run", console=Quiet())
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_rank_that_is_no_number_is_named(corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(InputError, match="RANK = 'first' in the environment is no number from 0; unset it"):
        run(corpus, encoder, tmp_path / "run")
