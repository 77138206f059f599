"""A search from its first trial to its report: what it may see, what it counts, how it goes on."""

from __future__ import annotations

import json
import os
import sqlite3
from itertools import pairwise

import pytest

import tagwright as tw
import tagwright.tune.storage as storage
from tagwright.config import Recipe
from tagwright.errors import InputError, RunError
from tagwright.tune.results import optimism_of
from tagwright.tune.search import tune
from tagwright.tune.storage import quiet
from tagwright.tune.study import Study
from tests.train.toy import NAMES, Quiet, conll, run, sentences, write_corpus


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory):
    """A real search of four trials, and what was said."""
    from tests.tune.conftest import write_recipe

    folder, console = tmp_path_factory.mktemp("tune"), Quiet()
    made = tune(
        write_recipe(folder), trials=4, data=corpus, model=str(encoder), out=folder / "out", console=console
    )
    return made, console.text


def test_the_recipe_itself_is_the_first_trial_and_is_what_train_reaches(whole, corpus, encoder, tmp_path):
    first = whole[0].first
    assert first.values == {"train.learning_rate": 1e-2, "train.epochs": 2.0, "train.batch_size": 8}
    trained = run(corpus, encoder, tmp_path / "run")
    assert first.f1 == trained.scores["validation"]["lenient"]["f1"]
    assert whole[0].best.f1 >= first.f1


def test_the_folder_holds_the_best_recipe_the_figures_and_the_page(whole, encoder, tmp_path):
    made, _ = whole
    assert sorted(os.listdir(made.path)) == ["best.toml", "report.html", "study.db", "trials.json"]
    assert json.loads((made.path / "trials.json").read_text()) == json.loads(json.dumps(made.to_dict()))
    text = (made.path / "best.toml").read_text()
    for fact in (
        f"Trial {made.best.number} of the study",
        f"{made.best.f1:.4f} (seed 42)",
        made.sha256,
        "optuna",
    ):
        assert fact in text.partition("[data]")[0]
    again = tw.train(made.path / "best.toml", out=tmp_path / "best", report=False, console=Quiet())
    assert again.scores["validation"]["lenient"]["f1"] == made.best.f1
    assert again.recipe.train.learning_rate == made.best.values["train.learning_rate"]


def test_a_line_for_each_trial_with_the_time_left(whole):
    lines = [line for line in whole[1].splitlines() if "trial" in line]
    assert [line.partition("  ")[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert "trial 0  learning rate 0.01  epochs 2  batch size 8  done  F1 0." in lines[0]
    assert lines[0].endswith(" left")
    assert not lines[-1].endswith(" left")


def test_the_test_split_changes_nothing(whole, encoder, tmp_path, searched):
    """Garbage for a test split: the same trials with the same figures, and the same best recipe."""
    data = write_corpus(tmp_path / "toy")
    swapped = {"person": NAMES["location"], "location": [["is"], ["the", "tallest"]]}
    (data / "test.conll").write_text(conll(sentences(9, 5, swapped)))
    made = searched(data=data, trials=3)
    assert made.sha256 != whole[0].sha256
    for mine, other in zip(made.trials, whole[0].trials, strict=False):
        assert (mine.values, mine.f1) == (other.values, other.f1)


def test_trials_are_given_no_test_split(formula, searched):
    searched(trials=2)
    assert formula.splits == {("train", "validation")}


def test_a_stopped_search_draws_what_it_would_have_drawn(formula, searched, tmp_path):
    expected = [trial.values for trial in searched(trials=6, out=tmp_path / "once").trials]
    assert len({tuple(values.items()) for values in expected}) == 6

    def stop(recipe, seed):
        if len(formula.calls) == 6 + 6:
            raise KeyboardInterrupt

    formula.before = stop
    searched(trials=3)
    with pytest.raises(RunError, match=r"interrupted; 5 of 6 trials are done; go on .* --resume") as caught:
        searched(trials=6, resume=True)
    assert caught.value.exit_code == 130
    made = searched(trials=6, resume=True)
    assert [trial.values for trial in made.counted] == expected
    assert [trial.number for trial in made.counted] == list(range(6))
    [dropped] = [trial for trial in made.trials if trial.state == "dropped"]
    assert (dropped.number, dropped.reason, dropped.values) == (5, "interrupted", expected[5])
    assert not list((tmp_path / "out").glob(".training*"))


def test_whole_trainings_of_a_stopped_trial_are_kept(formula, searched):
    def stop(recipe, seed):
        if len(formula.calls) == 5:
            raise KeyboardInterrupt

    formula.before = stop
    with pytest.raises(RunError, match="interrupted; 1 of 2"):
        searched(trials=2, seeds=3)
    formula.before = lambda recipe, seed: None
    made = searched(trials=2, seeds=3, resume=True)
    assert [seed for _, seed in formula.calls] == [42, 43, 44, 42, 43, 43, 44]
    assert [run.seed for run in made.counted[1].runs] == [42, 43, 44]
    assert made.counted[1].f1 == pytest.approx(sum(run.f1 for run in made.counted[1].runs) / 3)


def test_bad_trials_are_pruned_but_never_the_recipe(formula, searched):
    made = searched(
        trials=8,
        space="train.learning_rate = {low = 1e-6, high = 1e-1, log = true}",
        fields={"train__epochs": 4},
    )
    pruned = [trial for trial in made.trials if trial.state == "pruned"]
    assert pruned
    worst = min(trial.f1 for trial in made.trials if trial.state == "done" and trial.number > 3)
    assert all(trial.epochs < 4 for trial in pruned)
    assert all(formula.f1(made_recipe(trial), 42) < max(worst, made.first.f1) for trial in pruned)
    assert made.first.state == "done"
    unpruned = searched(trials=6, pruner="none", overwrite=True)
    assert unpruned.count("done") == 6


def made_recipe(trial):
    recipe = Recipe()
    recipe.train.learning_rate, recipe.train.epochs = trial.values["train.learning_rate"], 4
    return recipe


@pytest.mark.long
def test_hyperband_prunes_too(formula, searched):
    made = searched(
        trials=12,
        pruner="hyperband",
        fields={"train__epochs": 4},
        space="train.learning_rate = {low = 1e-6, high = 1e-1, log = true}",
    )
    assert made.count("pruned") > 0
    assert made.first.state == "done"


@pytest.mark.long
def test_the_values_found_get_better(formula, searched):
    made = searched(trials=14, pruner="none")
    scores = [trial.f1 for trial in made.trials]
    assert max(scores[4:]) > max(scores[:4])


def test_a_small_space_is_tried_once_and_no_more(formula, searched):
    console = Quiet()
    made = searched(
        trials=9, space="train.batch_size = [8, 16]\ntrain.decay_all = [true, false]", console=console
    )
    assert len(made.counted) == len(formula.calls) == 4
    assert "the space holds 4 recipes, and all of them were tried" in console.text


def test_a_range_too_narrow_for_more_trials_ends(formula, searched):
    console = Quiet()
    made = searched(trials=6, space="train.learning_rate = {low = 0.01, high = 0.010001}", console=console)
    assert len(formula.calls) == len(made.counted) < 6
    assert "no values were found that were not tried" in console.text


def test_a_trial_that_fails_is_told_and_the_search_goes_on(formula, searched):
    def fail(recipe, seed):
        if len(formula.calls) in (2, 3):
            raise RunError(
                "the loss is nan at step 3 of 9; the checkpoint of step 2 is in x", where="x", mend="lower it"
            )

    formula.before = fail
    console = Quiet()
    made = searched(trials=5, console=console)
    assert [trial.state for trial in made.trials][:3] == ["done", "failed", "failed"]
    assert made.trials[1].reason == "the loss is nan at step 3 of 9"
    assert "failed  the loss is nan at step 3 of 9" in console.text
    assert made.count("failed") == 2


@pytest.mark.long
def test_a_rate_that_diverges_fails_its_trial_alone(searched):
    made = searched(
        trials=2,
        space="train.learning_rate = [1e-2, 1.0]",
        fields={
            "train__max_grad_norm": 0,
            "train__precision": '"fp32"',
            "train__epochs": 6,
            "train__warmup": 0,
        },
    )
    assert made.trials[0].state == "done"
    assert made.trials[1].state in ("failed", "done")


@pytest.mark.parametrize(
    ("first", "said"),
    [(0, "the first 3 trials failed, the last of them: no memory"), (2, "5 trials in a row failed")],
)
def test_nothing_but_failures_ends_the_search(formula, searched, first, said):
    def fail(recipe, seed):
        if len(formula.calls) > first:
            raise RunError("no memory")

    formula.before = fail
    with pytest.raises(RunError, match=said):
        searched(trials=12)


def test_a_recipe_that_cannot_be_trained_ends_the_search_and_leaves_nothing(formula, searched, tmp_path):
    def fail(recipe, seed):
        raise InputError("the data is wrong")

    formula.before = fail
    with pytest.raises(InputError, match="the data is wrong"):
        searched(trials=3)
    assert not (tmp_path / "out").exists()


def test_a_search_is_gone_on_with_only_as_it_was_begun(formula, searched, tmp_path):
    searched(trials=2)
    other = write_corpus(tmp_path / "other", train=40)
    for said, changes in {
        "there is a search here already; give --resume, --overwrite": {},
        "exclude each other": {"resume": True, "overwrite": True},
        "the study was begun with other data": {"resume": True, "data": other},
        "the study was begun with train.warmup = 0.1, not 0.2": {"resume": True, "fields": {"train__warmup": 0.2}},
        r"begun with \[tune\] train.batch_size = \[8, 16\], not \[8, 32\]": {
            "resume": True,
            "space": "train.learning_rate = {low = 1e-3, high = 1e-1, log = true}\n"
            "train.epochs = {low = 1, high = 4, step = 1}\ntrain.batch_size = [8, 32]",
        },
        "the study was begun with --seeds 1, not 2": {"resume": True, "seeds": 2},
        "the study here is 'recipe-.*', not 'mine'": {"resume": True, "study": "mine"},
    }.items():  # fmt: skip
        with pytest.raises(InputError, match=said):
            searched(trials=3, **changes)
    assert len(formula.calls) == 2
    console = Quiet()
    assert len(searched(trials=1, resume=True, console=console).trials) == 2
    assert "the study has 2 trials already; nothing to do (--trials 1)" in console.text
    assert len(searched(trials=1, overwrite=True).trials) == 1


def test_two_folders_share_a_storage(formula, searched, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    one = searched(trials=3, storage=url, out=tmp_path / "one")
    two = searched(trials=5, storage=url, out=tmp_path / "two")
    assert [trial.values for trial in two.trials[:3]] == [trial.values for trial in one.trials]
    assert len(two.trials) == len(formula.calls) == 5
    third = searched(trials=2, storage=url, study="other", out=tmp_path / "three")
    assert len(third.trials) == 2
    with pytest.raises(InputError, match="the folder holds the results of the study 'other'"):
        searched(trials=2, storage=url, out=tmp_path / "three")
    with pytest.raises(InputError, match="there is no study 'none' to resume"):
        searched(trials=2, storage=url, study="none", out=tmp_path / "four", resume=True)


def test_a_trial_whose_process_died_is_begun_again(formula, searched, monkeypatch):
    searched(trials=2)
    opened: list[Study] = []
    begin = Study.begin
    monkeypatch.setattr(Study, "begin", lambda study, head: (opened.append(study), begin(study, head))[1])
    searched(trials=2, resume=True)
    [study] = opened
    running = study.ask(9)
    assert running is not None
    [mine] = [trial for trial in study.trials() if trial.state == "running"]
    study.bury()
    assert [trial.state for trial in study.trials()] == [
        "done",
        "done",
        "running",
    ]  # its process lives: it is this one
    running._set("owner", mine.owner.rpartition(":")[0] + ":1")  # as of an earlier process of the same number
    made = searched(trials=3, resume=True)
    assert [trial.state for trial in made.trials] == ["done", "done", "dropped", "done"]
    assert made.trials[2].reason == "its process ended"
    assert made.trials[3].values == made.trials[2].values


def test_no_more_trials_than_asked_for_when_two_begin_at_once(formula, searched, monkeypatch):
    opened: list[Study] = []
    begin = Study.begin
    monkeypatch.setattr(Study, "begin", lambda study, head: (opened.append(study), begin(study, head))[1])
    searched(trials=2)
    [study] = opened
    one = study.ask(3)
    assert one is not None
    assert one.number == 2
    assert study.ask(3) is None
    assert study.ask(4).number == 3
    assert [trial.reason for trial in study.trials() if trial.state == "dropped"] == [
        "enough others were begun at the same moment"
    ]


def test_the_lead_is_told_for_what_it_is(formula, searched):
    single = searched(trials=4, pruner="none")
    words = " ".join(single.to_dict()["words"])
    assert "each figure is from one seed" in words
    assert "--confirm 5" in words
    made = searched(trials=4, pruner="none", seeds=2, overwrite=True)
    assert optimism_of(made.trials) > 0
    assert f"up to about {optimism_of(made.trials):.4f}" in " ".join(made.to_dict()["words"])


def test_confirming_uses_seeds_that_the_search_never_did(formula, searched):
    made = searched(trials=4, pruner="none", seeds=2, confirm=3)
    assert (
        [run.seed for run in made.confirmed.first]
        == [run.seed for run in made.confirmed.best]
        == [44, 45, 46]
    )
    assert {seed for _, seed in formula.calls[:8]} == {42, 43}
    found = made.to_dict()["confirmed"]
    assert found["difference"] == pytest.approx(found["best"]["mean"] - found["first"]["mean"])
    assert found["interval"][0] < found["difference"] < found["interval"][1]
    assert "With 3 seeds that the search never used" in " ".join(made.to_dict()["words"])
    assert "With 3 fresh seeds" in made.best_path.read_text()
    calls = len(formula.calls)
    again = searched(trials=4, pruner="none", seeds=2, confirm=4, resume=True)
    assert len(formula.calls) == calls + 2  # the other six are kept
    assert len(again.confirmed.best) == 4


def test_a_recipe_outside_its_space_begins_with_the_nearest(formula, searched):
    console = Quiet()
    made = searched(trials=1, space="train.epochs = {low = 3, high = 5, step = 1}", console=console)
    assert made.trials[0].values == {"train.epochs": 3.0}
    assert (
        "the recipe's train.epochs = 2.0 is not in the space: trial 0 takes the nearest, 3.0" in console.text
    )


def test_what_the_recipe_leaves_to_the_encoder_is_filled_in(formula, corpus, encoder, tmp_path):
    made = tune("search", trials=1, data=corpus, model=str(encoder), out=tmp_path / "out", console=Quiet())
    assert made.trials[0].values["train.learning_rate"] == 2.5e-4  # of an encoder this narrow
    assert made.study.startswith("search-")


def test_train_leaves_the_space_of_a_recipe_alone(corpus, encoder, tmp_path):
    trained = tw.train(
        "search",
        data=corpus,
        model=str(encoder),
        out=tmp_path / "run",
        report=False,
        settings={"train.epochs": 1},
        console=Quiet(),
    )
    assert "tune" not in json.loads((trained.path / "tagwright.json").read_text())["made"]["recipe"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 0}, "0 trials; give at least 1"),
        ({"seeds": 0}, "0 seeds; give at least 1"),
        ({"confirm": 1}, "give 2 or more seeds"),
        ({"timeout": 0}, "a timeout of 0 minutes"),
        ({"pruner": "x"}, "there is no pruner 'x'; name one of median, hyperband, none"),
        ({"space": ""}, r"the recipe has no search space; write the two lines `\[tune\]` and .* `search`"),
        ({"data": None}, "no data was named"),
        ({"model": None}, "no encoder was named"),
        ({"space": "encode.max_pieces = [32, 4096]"}, r"\[tune\] encode.max_pieces: .* more than the 64 pieces"),
        ({"storage": "nothing"}, "nothing: this storage cannot be used"),
        ({"storage": "sqlite:////no/such/folder/x.db"}, "unable to open database file"),
        ({"storage": "sqlite://"}, "a storage in memory is lost with the process"),
        ({"storage": "postgresql+nothing://someone:secret@nowhere/x"}, r"someone:…@nowhere"),
        ({"resume": True}, "there is no search here to resume"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_trained(formula, searched, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        searched(**changes)
    assert formula.calls == []
    assert not (tmp_path / "out").exists()


def test_another_folder_is_left_alone(formula, searched, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="this folder holds something else than a search"):
        searched(overwrite=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="this is a file, not a folder"):
        searched(out=tmp_path / "file")


def test_a_study_of_somebody_else_is_left_alone(formula, searched, tmp_path):
    import optuna

    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    with quiet():
        optuna.create_study(storage=url, study_name="theirs", direction="minimize")
    with pytest.raises(
        InputError, match="the study 'theirs' was not made by tagwright tune; give another --study"
    ):
        searched(storage=url, study="theirs")


def test_a_storage_that_another_program_holds_is_told(formula, searched, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LOCKED", 0.01)
    searched(trials=1)
    holder = sqlite3.connect(tmp_path / "out" / "study.db", isolation_level=None)
    holder.execute("begin exclusive")
    with pytest.raises(
        InputError, match="database is locked; another program holds it: wait until it is done"
    ):
        searched(trials=2, resume=True)
    holder.execute("rollback")
    holder.close()
    assert len(searched(trials=2, resume=True).trials) == 2


def test_a_storage_that_goes_away_in_the_middle_loses_nothing_that_is_done(
    formula, searched, tmp_path, monkeypatch
):
    monkeypatch.setattr(storage, "LOCKED", 0.01)
    monkeypatch.setattr(storage, "PAUSE", 0.01)
    held = []

    def hold(recipe, seed):
        if len(formula.calls) == 2:
            held.append(sqlite3.connect(tmp_path / "out" / "study.db", isolation_level=None))
            held[0].execute("begin exclusive")

    formula.before = hold
    with pytest.raises(RunError, match="the storage of the study does not answer: database is locked; go on"):
        searched(trials=3)
    held[0].close()
    made = searched(trials=3, resume=True)
    assert (made.count("done"), made.count("failed"), made.count("dropped")) == (3, 0, 1)


def test_a_damaged_study_is_told(formula, searched, tmp_path):
    searched(trials=1)
    (tmp_path / "out" / "study.db").write_bytes(b"x" * 5000)
    with pytest.raises(
        InputError, match="file is not a database; it is damaged or something else; give --overwrite"
    ):
        searched(resume=True)
    assert len(searched(trials=1, overwrite=True).trials) == 1


def test_time_that_is_up_begins_no_further_trial(formula, searched):
    console = Quiet()
    made = searched(trials=5, timeout=1e-9, console=console)
    assert made.trials == []
    assert made.best is None
    assert "the time is up after 0 of 5 trials; --resume goes on" in console.text
    assert [trial.number for trial in searched(trials=2, resume=True).trials] == [0, 1]


def test_trials_begin_in_the_order_of_their_numbers(whole):
    assert all(a.id < b.id for a, b in pairwise(whole[0].trials))
