"""The engine `keras`: the same recipe, the same kind of bundle, the same answers."""

from __future__ import annotations

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from rich.console import Console

import tagwright as tw
from tagwright.config import Recipe
from tagwright.data.load import read_corpus
from tagwright.errors import InputError, MissingExtraError, RunError
from tagwright.model import precision
from tagwright.model.bundle import load_model, read_meta
from tagwright.train.engine import train
from tagwright.train.folds import cross_probabilities
from tests.models import tiny_model
from tests.tiny_tokenizers import build_tokenizer
from tests.train.toy import FAST, Quiet, run

pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")

KERAS = {"train__engine": "keras"}
PLAIN = {**KERAS, "train__precision": "fp32"}


@pytest.fixture(scope="module")
def trained(corpus, encoder, tmp_path_factory):
    console = Quiet()
    result = run(
        corpus, encoder, tmp_path_factory.mktemp("runs") / "keras", console=console, train__epochs=3, **KERAS
    )
    return result, console.text


def test_the_model_learns(trained):
    scores = trained[0].scores
    assert scores["validation"]["lenient"]["f1"] > 0.5
    assert scores["test"]["lenient"]["f1"] > 0.5


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_scores_are_those_of_the_bundle(trained, corpus, split):
    result, _ = trained
    scores = tw.evaluate(result.path, corpus, split=split, precision=result.recipe.train.precision)
    assert scores.to_dict() == result.scores[split]


def test_plain_transformers_loads_the_bundle(trained):
    folder = trained[0].path
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    assert type(model) is transformers.DistilBertForTokenClassification
    assert model.config.id2label == dict(enumerate(["O", "B-location", "I-location", "B-person", "I-person"]))
    tagger = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy="simple")
    assert {entity["entity_group"] for entity in tagger("It is the view from New York")} <= {
        "location",
        "person",
    }


def test_the_record_says_how_it_was_made(trained, encoder):
    made = read_meta(trained[0].path).made
    assert made["engine"] == made["recipe"]["train"]["engine"] == "keras"
    assert {"keras", "tensorflow", "torch"} <= set(made["versions"])
    assert all(made["versions"].values())
    assert (made["steps"], made["scores"]) == (18, trained[0].scores)
    history = made["history"]
    assert [(one["step"], one["epoch"]) for one in history] == [(6, 1.0), (12, 2.0), (18, 3.0)]
    assert next(one["f1"] for one in history if one["step"] == made["best_step"]) == max(
        one["f1"] for one in history
    )
    rates = [one["learning_rate"] for one in history]
    assert rates[0] > rates[1] > rates[2] == 0
    assert [one["step"] for one in made["losses"]] == list(range(1, 19))
    recipe = Recipe.model_validate(made["recipe"])
    assert (recipe.train.fast_step, recipe.train.precision != "auto") == (False, True)
    assert recipe.train.precision == read_meta(trained[0].path).precision


def test_what_is_shown(trained):
    result, text = trained
    assert ", seed 42, engine keras, no fast step" in text
    assert "epoch 1.00/3  step 6/18  validation F1 " in text
    assert "best so far" in text
    assert result.pieces == 3 * int(text.split(" pieces)")[0].split()[-1].replace(",", ""))


# Both engines


class Recorder(transformers.TrainerCallback):
    """Notes every event, and what was logged."""

    def __init__(self):
        self.seen = []
        self.logs = []
        for event in dir(transformers.TrainerCallback):
            if event.startswith("on_"):
                setattr(
                    self, event, lambda args, state, control, event=event, **facts: self.note(event, facts)
                )

    def note(self, event, facts):
        self.seen.append(event)
        if event == "on_log":
            self.logs.append(facts["logs"])


class Tracker(transformers.integrations.MLflowCallback):
    """A tracker, which reads the configuration of the model that it is shown."""

    def __init__(self):
        self.seen = None

    def on_train_begin(self, args, state, control, *, model, **_):
        self.seen = model.config.to_json_string()

    on_log = on_save = on_train_end = __del__ = lambda *_, **__: None


SAME = {
    "train__precision": "fp32",
    "train__fast_step": False,
    "train__learning_rate": 1e-3,
    "train__batch_size": 5,  # ten batches an epoch
    "train__accumulation": 3,  # the last step of an epoch has one
    "train__epochs": 2.5,
    "train__warmup": 0.25,
    "train__layer_decay": 0.8,
    "train__head_rate": 5.0,
    "train__weight_decay": 0.1,
    "train__max_grad_norm": 0.5,
    "train__save_steps": 3,
    "encode__label_pieces": "all",
    "model__dropout": 0.0,
    "model__attention_dropout": 0.0,
}


@pytest.fixture(scope="module")
def both(corpus, encoder, tmp_path_factory):
    """The same recipe on both engines, without dropout."""
    found = {}
    for engine in ("torch", "keras"):
        recorder, tracker, folder = Recorder(), Tracker(), tmp_path_factory.mktemp(engine) / "run"
        run(corpus, encoder, folder, callbacks=[recorder, tracker], train__engine=engine, **SAME)
        made, weights = read_meta(folder).made, load_model(folder).state_dict()
        found[engine] = SimpleNamespace(recorder=recorder, tracker=tracker, made=made, weights=weights)
    return found


def test_both_engines_take_the_same_steps(both):
    ours, theirs = both["torch"], both["keras"]
    assert ours.made["steps"] == theirs.made["steps"] == 10
    losses = [[one["loss"] for one in run.made["losses"]] for run in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for left, right in zip(ours.made["history"], theirs.made["history"], strict=True):
        assert left == pytest.approx(right, rel=1e-4)
    assert ours.weights.keys() == theirs.weights.keys()
    for name, tensor in ours.weights.items():
        if not name.endswith("k_lin.bias"):  # its gradient is zero but for rounding, which AdamW blows up
            torch.testing.assert_close(theirs.weights[name], tensor, atol=2e-4, rtol=0)


def test_callbacks_see_the_trainers_events_in_its_order(both):
    ours, theirs = both["torch"].recorder, both["keras"].recorder
    assert theirs.seen == ours.seen
    assert [logs.keys() - {"total_flos"} for logs in ours.logs] == [logs.keys() for logs in theirs.logs]
    for left, right in zip(ours.logs[:-1], theirs.logs[:-1], strict=True):
        assert left == pytest.approx(right, rel=1e-3)


def test_a_tracker_can_read_the_configuration_of_what_it_is_shown(both):
    ours, theirs = (json.loads(both[engine].tracker.seen) for engine in ("torch", "keras"))
    assert theirs == {key: value for key, value in ours.items() if key != "use_cache"}  # the Trainer's own


@pytest.mark.parametrize(("first", "second"), [("torch", "keras"), ("keras", "torch")])
def test_a_bundle_goes_on_in_the_other_engine(trained, corpus, encoder, tmp_path, first, second):
    start = trained[0].path
    if first == "torch":
        start = run(corpus, encoder, tmp_path / "start", train__epochs=3).path
    result = run(
        corpus, start, tmp_path / "run", train__epochs=1, train__learning_rate=1e-6, train__engine=second
    )
    assert f"the weights are those of {start}, trained with {first}; the optimizer's state begins anew" in (
        result.notices
    )
    assert "the checkpoint's head is kept: all 5 labels are the same" in result.notices
    before, after = read_meta(start).made, read_meta(result.path).made
    assert after["engine"] == second
    assert after["history"][0]["loss"] < 0.5 * before["history"][0]["loss"]
    assert after["scores"]["test"]["lenient"]["f1"] == pytest.approx(
        before["scores"]["test"]["lenient"]["f1"], abs=0.05
    )


# The recipe


def test_the_guides_recipe_trains(corpus, encoder, tmp_path):
    result = train("guide", data=corpus, model=str(encoder), out=tmp_path / "run", report=False,
                   settings={"train.engine": "keras", "train.epochs": 1}, console=Quiet())  # fmt: skip
    meta = read_meta(result.path)
    assert (meta.valid_tags, meta.precision, meta.made["steps"]) == (False, "fp32", 3)


@pytest.mark.parametrize("how", ["setting", "field", "file"])
def test_a_field_that_only_torch_knows_is_refused_by_name(tmp_path, how):
    settings = {"train.engine": "keras", "data.source": "nowhere"}
    recipe = None
    if how == "setting":
        settings["train.fast_step"] = True
    elif how == "field":
        recipe, settings = Recipe.load(None, settings), {}
        recipe.train.fast_step = True
    else:
        recipe = tmp_path / "mine.toml"
        recipe.write_text("[train]\nfast_step = true\n")
    with pytest.raises(InputError) as caught:
        train(recipe, model="minilm", out=tmp_path / "run", settings=settings)
    assert str(caught.value) == (
        "train.fast_step = true is for the engine torch alone; leave it out, or give --engine torch"
    )


@pytest.mark.parametrize(
    ("processes", "told"),
    [
        ("2", "'keras' trains in one process, and this is one of 2; start it without torchrun"),
        ("two", "WORLD_SIZE = 'two' in the environment is no number from 1; unset it"),
        ("0", "WORLD_SIZE = '0' in the environment is no number from 1; unset it"),
    ],
)
def test_several_processes_are_refused(tmp_path, monkeypatch, processes, told):
    monkeypatch.setenv("WORLD_SIZE", processes)
    with pytest.raises(InputError, match=told):
        train(data="nowhere", model="minilm", out=tmp_path / "run", settings={"train.engine": "keras"})


@pytest.mark.parametrize("package", ["keras", "tensorflow"])
def test_without_the_extra_it_is_said_before_data_are_read(tmp_path, monkeypatch, package):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else real(name, *rest)
    )
    with pytest.raises(MissingExtraError) as caught:
        train(data="nowhere", model="minilm", out=tmp_path / "run", settings={"train.engine": "keras"})
    assert str(caught.value) == f"{package} is not installed; pip install 'tagwright[keras]'"


def test_another_architecture_is_refused_before_training(corpus, tmp_path):
    encoder = tmp_path / "electra"
    config = transformers.ElectraConfig(
        vocab_size=300, embedding_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    transformers.ElectraModel(config).save_pretrained(encoder)
    build_tokenizer("bert").save_pretrained(encoder)
    with pytest.raises(InputError) as caught:
        run(corpus, encoder, tmp_path / "run", **KERAS)
    assert str(caught.value).startswith(
        f"{encoder}: model_type is 'electra'; the Keras engine knows distilbert"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("machine", "variable", "fast", "chosen"),
    [
        ("x86_64", None, True, "bf16"),
        ("x86_64", "1", True, "bf16"),
        ("x86_64", "0", True, "fp32"),
        ("x86_64", None, False, "fp32"),
        ("aarch64", None, True, "fp32"),
    ],
)
def test_auto_takes_bf16_where_tensorflow_computes_it_fast(monkeypatch, machine, variable, fast, chosen):
    monkeypatch.setattr(precision, "fast_bf16", lambda device: fast)
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    monkeypatch.setattr(precision.sys, "platform", "linux")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if variable:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", variable)
    assert precision.resolve_precision("auto", engine="keras") == chosen
    assert precision.resolve_precision("bf16", engine="keras") == "bf16"


def test_an_encoder_that_counts_positions_from_its_padding_trains(corpus, tmp_path):
    encoder = tmp_path / "roberta"
    tiny_model("roberta").base_model.save_pretrained(encoder)
    build_tokenizer("roberta", model_max_length=64).save_pretrained(encoder)
    result = run(corpus, encoder, tmp_path / "run", train__epochs=1, train__learning_rate=1e-3, **PLAIN)
    losses = [one["loss"] for one in read_meta(result.path).made["losses"]]
    assert losses[-1] < losses[0]
    scores = tw.evaluate(result.path, corpus, precision="fp32")
    assert scores.to_dict() == result.scores["test"]


# Which step is kept, and what stops a run


class Spoil(transformers.TrainerCallback):
    """Overwrites the head's weights after a step."""

    def __init__(self, step, value):
        self.step, self.value = step, value

    def on_step_end(self, args, state, control, *, model, **_):
        if state.global_step == self.step:
            head = model.named_variables()["classifier.weight"]
            head.assign(np.full(head.shape, self.value, dtype=np.float32))


def test_a_run_stops_early_and_its_best_step_is_kept(corpus, encoder, tmp_path):
    settings = {"train__epochs": 4, "train__early_stopping": 1}
    best = run(corpus, encoder, tmp_path / "run", callbacks=[Spoil(18, 0.0)], **settings, **KERAS)
    made = read_meta(best.path).made
    assert (made["steps"], made["best_step"]) == (18, 12)
    assert "kept the weights of step 12, the best on validation" in best.notices
    assert best.scores["validation"]["lenient"]["f1"] > 0.3


def test_a_loss_that_is_not_finite_stops_the_run(corpus, encoder, tmp_path):
    with pytest.raises(RunError) as caught:
        run(corpus, encoder, tmp_path / "run", callbacks=[Spoil(7, np.nan)], **PLAIN)
    line = str(caught.value)
    assert "the loss is nan at step 8 of 12; the checkpoint of step 6 is in" in line
    assert line.endswith("lower train.learning_rate (now 0.01) or raise train.warmup")


def test_too_little_memory_stops_the_run_with_what_to_do(corpus, encoder, tmp_path, monkeypatch):
    from tagwright.keras.step import TrainStep

    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(TrainStep, "run", refuse)
    with pytest.raises(RunError, match=r"out of memory at step 1, in a batch of 8; lower train.batch_size"):
        run(corpus, encoder, tmp_path / "run", **KERAS)


# What trains by calling `train`


def test_folds_and_curves_train_with_it(corpus, encoder, tmp_path):
    settings = {**FAST, "train.epochs": 1, "train.engine": "keras", "model.encoder": str(encoder)}
    recipe = Recipe.load(None, settings)
    found, labels = cross_probabilities(read_corpus(corpus), recipe, folds=2, console=Console(quiet=True))[
        "train"
    ]
    assert np.isfinite(found).all()
    assert found.shape[1] == len(labels)
    made = tw.curve(
        data=corpus, shares=[1.0], seeds=1, out=tmp_path / "curve", settings=settings, console=Quiet()
    )
    assert [point.sentences for point in made.points] == [48]
    assert json.loads((tmp_path / "curve" / "curve.json").read_text())
