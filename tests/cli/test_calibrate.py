"""`tagwright calibrate` from the outside, on a tiny tagger that was trained for it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import tagwright as tw
from tagwright.cli.main import run
from tagwright.config import DataSettings
from tagwright.errors import InputError
from tagwright.model.bundle import read_meta
from tests.models import tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer
from tests.train import toy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A corpus without a validation split, with words that are names only now and then."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    names = {"person": [["Jeff"], ["storm"], ["New"]], "location": [["New", "York"], ["Jeff"], ["storm"]]}
    folder.mkdir()
    (folder / "train.conll").write_text(toy.conll(toy.sentences(400, 0, names)))
    (folder / "test.conll").write_text(toy.conll(toy.sentences(100, 2, names)))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus) -> Path:
    folder = tmp_path_factory.mktemp("run")
    encoder = toy.write_encoder(folder / "encoder")
    settings = {"data__validation_share": 0.3, "data__split_seed": 7, "train__precision": "fp32"}
    toy.run(str(corpus), encoder, folder / "run", **settings)
    return folder / "run"


@pytest.fixture
def bundle(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def call(capsys):
    """Run a command in this process; return exit code, stdout and stderr."""

    def run_it(*arguments):
        capsys.readouterr()
        code = run(list(map(str, arguments)))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "internal error" not in err
        return code, out, err

    return run_it


def evaluate(bundle, corpus, **settings):
    return tw.evaluate(bundle, corpus, precision="fp32", **settings)


def held_out(corpus):
    from tagwright.data.load import read_corpus
    from tagwright.data.split import hold_out

    return hold_out(read_corpus(corpus), 0.3, 7)


def test_from_training_to_prediction(call, bundle, corpus):
    """Fitted on what training held out, kept in the bundle, applied by evaluate and predict, taken out again."""
    weights = (bundle / "model.safetensors").read_bytes()
    record = (bundle / "tagwright.json").read_text()
    before = evaluate(bundle, held_out(corpus), split="validation")
    said = [
        tag
        for words in held_out(corpus).splits["validation"]["tokens"][:5]
        for tag in tw.Tagger.load(bundle).tag(words)
    ]

    code, out, err = call("calibrate", bundle, "--precision", "fp32", "--json")
    assert (code, out.count("\n")) == (0, 1)
    assert "no validation split: " in err
    result = json.loads(out)
    assert result["temperature"] != 1
    assert result["fitted"]["after"]["log_loss"] <= result["fitted"]["before"]["log_loss"]
    after = evaluate(bundle, held_out(corpus), split="validation")
    assert after.to_dict()["lenient"] == before.to_dict()["lenient"]  # a temperature changes no tag
    tagger = tw.Tagger.load(bundle)
    assert said == [
        tag for words in held_out(corpus).splits["validation"]["tokens"][:5] for tag in tagger.tag(words)
    ]

    code, out, err = call(
        "calibrate", bundle, "--precision", "fp32", "--min-precision", "0.8", "--json", "--check", "test"
    )
    result = json.loads(out)
    assert result["check"]["split"] == "test"
    meta = read_meta(bundle)
    assert (meta.temperature, meta.thresholds) == (result["temperature"], result["thresholds"])
    assert meta.made["calibration"]["split"] == "validation"
    assert meta.made["calibration"]["min_precision"] == 0.8
    assert meta.made["calibration"]["precision"] == "fp32"
    assert (bundle / "model.safetensors").read_bytes() == weights

    kept = evaluate(bundle, held_out(corpus), split="validation")
    rows = {row["type"]: row for row in result["fitted"]["types"]}
    for name, tally in kept.to_dict()["lenient"]["per_type"].items():
        assert tally["precision"] == rows[name]["precision"]
        assert tally["recall"] == rows[name]["recall"]
        assert tally["precision"] >= 0.8 or rows[name]["kept"] == 0
    dropped = sum(row["entities"] - row["kept"] for row in rows.values())
    assert dropped > 0
    assert any(f"thresholds applied: {dropped} of " in notice for notice in kept.notices)
    free = evaluate(bundle, held_out(corpus), split="validation", thresholds=False)
    assert free.to_dict()["lenient"] == before.to_dict()["lenient"]

    code, out, err = call("calibrate", bundle, "--clear")
    assert (code, out, err) == (0, f"{bundle}: temperature and thresholds are gone\n", "")
    cleared, first = json.loads((bundle / "tagwright.json").read_text()), json.loads(record)
    assert (cleared["temperature"], cleared["thresholds"], cleared["made"]) == (1.0, {}, first["made"])
    assert call("calibrate", bundle, "--clear")[1] == f"{bundle}: there was nothing to clear\n"


def test_evaluate_and_predict_can_leave_them_out(call, bundle, corpus, tmp_path):
    call("calibrate", bundle, "--precision", "fp32", "--min-precision", "1")
    text = tmp_path / "text.txt"
    text.write_text("view from Jeff in New York\n" * 3)

    def entities(*options):
        code, out, err = call("predict", bundle, text, "--precision", "fp32", *options)
        assert code == 0
        return sum(len(json.loads(line)["entities"]) for line in out.splitlines()), err

    every, err = entities("--no-thresholds")
    assert "dropped" not in err
    some, err = entities()
    none, told = entities("--min-score", "1")
    assert every > none == 0
    assert f"{every} entities under the threshold dropped" in told
    assert (some == every) or f"{every - some} entit" in err
    arguments = ("evaluate", bundle, "--data", corpus, "--precision", "fp32")
    assert "thresholds applied" in call(*arguments)[2]
    assert "thresholds applied" not in call(*arguments, "--no-thresholds")[2]


def test_the_table(call, bundle):
    code, out, _ = call("calibrate", bundle, "--min-precision", "0.8", "--check", "test")
    assert code == 0
    assert out.startswith("temperature ")
    assert "thresholds for a precision of 0.8: validation (fitted on it)" in out
    assert "thresholds for a precision of 0.8: test (not fitted on it)" in out


def test_calibrating_again_starts_anew(call, bundle, corpus):
    first = tw.calibrate(bundle, min_precision=0.8)
    again = tw.calibrate(bundle, min_precision=0.8)
    assert first.to_dict() == again.to_dict()
    alone = tw.calibrate(bundle)
    assert "the bundle's earlier thresholds are gone: fit them again with --min-precision" in alone.notices
    assert read_meta(bundle).thresholds == {}
    assert alone.temperature == first.temperature


def test_other_data_is_told(bundle, tmp_path):
    data = toy.write_corpus(tmp_path / "other")
    result = tw.calibrate(bundle, data)
    assert any("is not what the tagger was trained on: its SHA-256 is" in notice for notice in result.notices)
    assert result.fitted.sentences == 16


def test_a_type_that_the_tagger_does_not_know_has_no_threshold(call, bundle, tmp_path):
    data = toy.write_corpus(tmp_path / "other")
    with (data / "dev.conll").open("a") as file:
        file.write("storm\tB-event\n\n")
    result = tw.calibrate(bundle, data, min_precision=0.5)
    rows = {row["type"]: row["threshold"] for row in result.to_dict()["fitted"]["types"]}
    assert rows.pop("event") is None
    assert rows == result.thresholds
    assert not any("event on 0" in notice for notice in result.notices)
    _, out, _ = call("calibrate", bundle, "--data", data, "--min-precision", "0.5")
    [line] = [line for line in out.splitlines() if line.startswith("event")]
    assert line.split() == ["event", "0", "0", "0.0000", "0.0000"]


def test_a_check_on_what_was_learned_is_told(bundle, tmp_path):
    notice = "the tagger was trained on train: it is surer there, and more often right,"
    assert any(line.startswith(notice) for line in tw.calibrate(bundle, check="train").notices)
    other = toy.write_corpus(tmp_path / "other")
    assert not any(line.startswith(notice) for line in tw.calibrate(bundle, other, check="train").notices)


def test_a_record_of_the_data_that_is_no_checksum(bundle):
    record = json.loads((bundle / "tagwright.json").read_text())
    record["made"]["data"]["sha256"] = 5
    (bundle / "tagwright.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="the data has no validation split"):
        tw.calibrate(bundle)


def test_settings_of_the_training_run_are_used_again(bundle, corpus):
    assert tw.calibrate(bundle).fitted.sentences == tw.calibrate(bundle, corpus).fitted.sentences
    with pytest.raises(InputError, match="that the tagger was trained on cannot be read"):
        tw.calibrate(bundle, settings=DataSettings(word_column=5))


def test_a_hold_out_that_cannot_be_drawn_again(bundle):
    record = json.loads((bundle / "tagwright.json").read_text())
    record["made"]["recipe"]["data"]["split_seed"] = 8
    record["made"]["data"]["sentences"]["validation"] += 1
    (bundle / "tagwright.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"the one that training held out \(\d+ sentences\) cannot be drawn"):
        tw.calibrate(bundle)


def test_few_entities_are_told(bundle, tmp_path):
    data = toy.write_corpus(tmp_path / "few", validation=6)
    assert any("take it for a rough guess" in notice for notice in tw.calibrate(bundle, data).notices)


@pytest.mark.parametrize("precision", ["2", "0", "-0.5", "nan", "inf", "x"])
def test_a_precision_that_cannot_be(call, bundle, precision):
    before = (bundle / "tagwright.json").read_text()
    code, out, err = call("calibrate", bundle, "--min-precision", precision)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert (bundle / "tagwright.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--check", "validation"],
            "the effect cannot be checked on 'validation'; check it on train or test",
        ),
        (["--check", "dev"], "the effect cannot be checked on 'dev'; check it on train or test"),
        (["--clear", "--min-precision", "0.9"], "--clear takes no other settings"),
        (["--precision", "fp8"], "there is no precision 'fp8'"),
        (["--data", "nowhere"], "nowhere: there is no such file or folder"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(call, bundle, arguments, message):
    code, out, err = call("calibrate", bundle, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "a\tO\n"}, "the data has no validation split, only train; give data with one"),
        ({"dev": "a\tO\n"}, "the validation split holds no entity"),
        (
            {"dev": "a\tB-event\n"},
            "the validation split has no entity of the tagger's types (location, person)",
        ),
        ({"dev": "-\tB-person\n\n"}, "the tagger finds no entity in the validation split"),
    ],
)
def test_data_that_will_not_do(call, bundle, tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / f"{name}.conll").write_text(text)
    code, out, err = call("calibrate", bundle, "--data", tmp_path)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]


def test_a_folder_that_cannot_be_written(call, bundle, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, _, err = call("calibrate", bundle)
    assert (code, err) == (
        1,
        f"tagwright: error: {bundle}: the bundle cannot be written to; calibrate a copy of it that can\n",
    )


def test_a_bundle_that_says_nothing_of_its_data(call, tmp_path):
    code, _, err = call("calibrate", tiny_bundle(tmp_path / "run"))
    assert code == 2
    assert "the bundle does not say where its data lies; name the data with --data" in err


def test_a_plain_folder_becomes_a_bundle(call, tmp_path):
    labels = ["O", "B-location", "I-location", "B-person", "I-person"]
    tiny_model(labels=labels).save_pretrained(tmp_path / "plain")
    build_tokenizer("distilbert").save_pretrained(tmp_path / "plain")
    data = toy.write_corpus(tmp_path / "data")
    code, _, err = call("calibrate", tmp_path / "plain", "--data", data)
    assert code == 0
    assert f"{tmp_path / 'plain'} has a tagwright.json now, and is a bundle" in err
    assert read_meta(tmp_path / "plain").notices == []


def test_tags_without_o_take_a_temperature_and_no_thresholds(tmp_path):
    bundle = tiny_bundle(tmp_path / "run", labels=["NOUN", "VERB"], scheme="word")
    (tmp_path / "dev.conll").write_text("the\tNOUN\nis\tVERB\nview\tVERB\n\n" * 9)
    assert tw.calibrate(bundle, tmp_path / "dev.conll").fitted.entities == 27
    with pytest.raises(InputError, match="thresholds need a tag O to drop entities to"):
        tw.calibrate(bundle, tmp_path / "dev.conll", min_precision=0.9)
