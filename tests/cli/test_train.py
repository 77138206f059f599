"""`tagwright train` from the outside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tagwright.model.bundle import read_meta
from tests.train.toy import FAST, conll, sentences, write_corpus

COMMAND = "train"


def fast(**changes) -> list[str]:
    settings = FAST | {name.replace("__", "."): value for name, value in changes.items()}
    return [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]


def test_results_to_stdout_progress_to_stderr(call, corpus, encoder, tmp_path):
    code, out, err = call("--data", corpus, "--model", encoder, "--out", tmp_path / "run", *fast())
    assert code == 0
    lines = out.splitlines()
    assert [line for line in lines if line in ("validation", "test")] == ["validation", "test"]
    assert sum("all (micro)" in line for line in lines) == 2
    assert any(line.startswith("location") for line in lines)
    assert lines[-1] == f"the tagger is in {tmp_path / 'run'}"
    assert "tokens/s" in lines[-2]
    assert "epoch 2.00/2  step 12/12  validation F1" in err
    assert "epoch" not in out
    made = read_meta(tmp_path / "run").made
    assert f"{made['scores']['test']['lenient']['f1']:.4f}" in out


def test_a_recipe_file_with_settings_on_top(call, corpus, encoder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'[data]\nsource = "{corpus}"\n[model]\nencoder = "{encoder}"\n'
        "[train]\nepochs = 1\nbatch_size = 8\nseed = 5\nlearning_rate = 1e-3\n"
    )
    code, _, _ = call(recipe, "-o", tmp_path / "run", "--set", "train.seed=6")
    assert code == 0
    made = read_meta(tmp_path / "run").made
    assert (made["seed"], made["recipe"]["train"]["epochs"], made["steps"]) == (6, 1, 6)


def test_a_built_in_recipe(call, corpus, encoder, tmp_path):
    arguments = ("--data", corpus, "--model", encoder, "--out", tmp_path / "run", "--set", "train.epochs=1")
    assert call("guide", *arguments)[0] == 0
    assert read_meta(tmp_path / "run").made["recipe"]["train"]["learning_rate"] == 2e-5


def test_a_run_without_a_name_gets_one(call, corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").symlink_to(corpus)
    (tmp_path / "tiny").symlink_to(encoder)
    code, out, _ = call("--data", "toy", "--model", "tiny", *fast(train__epochs=1))
    assert code == 0
    assert out.splitlines()[-1] == "the tagger is in runs/toy-tiny"


def test_columns_are_named_by_flags(call, encoder, tmp_path):
    rows = [[(tag, word) for word, tag in words] for words in sentences(40, 0)]
    (tmp_path / "train.conll").write_text(conll(rows))
    flags = ("--word-column", "1", "--tag-column", "0", "--scheme", "iob2")
    code, _, _ = call(
        "--data", tmp_path / "train.conll", "--model", encoder, "--out", tmp_path / "run", *flags, *fast()
    )
    assert code == 0
    settings = read_meta(tmp_path / "run").made["recipe"]["data"]
    assert (settings["word_column"], settings["tag_column"], settings["scheme"]) == (1, 0, "iob2")


def test_repair_is_a_flag(call, encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    with (data / "train.conll").open("a") as file:
        file.write("storm\tO\nYork\tI-location\n\n")
    arguments = ("--data", data, "--model", encoder, "--out", tmp_path / "run", *fast(train__epochs=1))
    code, _, err = call(*arguments, "--repair")
    assert code == 0
    assert "rewritten by their lenient reading" in err


def test_an_existing_run_is_asked_about(call, corpus, encoder, tmp_path):
    arguments = ("--data", corpus, "--model", encoder, "--out", tmp_path / "run", *fast(train__epochs=1))
    assert call(*arguments)[0] == 0
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err == (
        f"tagwright: error: {tmp_path / 'run'}: there is a run here already; "
        "give --resume, --overwrite or another --out\n"
    )
    assert call(*arguments, "--resume")[0] == 2
    assert call(*arguments, "--overwrite")[0] == 0
    assert call(*arguments, "--resume", "--overwrite")[0] == 2


def test_an_engine_that_is_not_there_is_refused_by_name(call):
    code, out, err = call("--data", "sample", "--model", "minilm", "--engine", "jax")
    assert (code, out) == (2, "")
    assert err == (
        "tagwright: error: invalid value for '--engine': 'jax' is not one of 'torch', 'keras'; "
        "see tagwright train --help\n"
    )


def test_keras_trains_and_its_libraries_keep_silent(corpus, encoder, tmp_path):
    pytest.importorskip("keras", reason="the extra keras is not installed")
    flags = ["--data", corpus, "--model", encoder, "--out", tmp_path / "run", *fast(train__epochs=1)]
    flags += ["--engine", "keras", "--set", "train.engine=torch", "--no-report"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        list(map(str, [sys.executable, "-m", "tagwright", COMMAND, *flags])),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"the tagger is in {tmp_path / 'run'}"
    told = done.stderr.splitlines()
    assert "engine keras, no fast step" in told[0]
    assert all(line.startswith("epoch ") for line in told[1:])
    assert read_meta(tmp_path / "run").made["engine"] == "keras"
