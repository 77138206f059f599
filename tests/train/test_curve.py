"""A learning curve over the tiny corpus: nested parts, the same figures each time, going on after a stop."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

import tagwright.train.curve as module
from tagwright.config import Recipe
from tagwright.data.load import read_corpus
from tagwright.errors import InputError, RunError
from tagwright.train.curve import curve
from tests.train.toy import FAST, Quiet, conll, run, sentences, write_corpus

SETTINGS = FAST | {"train.epochs": 1}


def drawn(data, encoder, out, *, shares=(0.5, 1), seeds=2, **options):
    settings = options.pop("settings", SETTINGS)
    options.setdefault("console", Quiet())
    return curve(
        None, data=data, model=str(encoder), shares=shares, seeds=seeds, out=out, settings=settings, **options
    )


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory):
    """A curve of two shares and two seeds, and what was said of it."""
    console = Quiet()
    made = drawn(corpus, encoder, tmp_path_factory.mktemp("curve") / "out", console=console)
    return made, console.text


def test_a_point_for_each_share_and_seed(whole, corpus):
    made, _ = whole
    assert [(point.share, point.sentences) for point in made.points] == [(0.5, 24), (1, 48)]
    assert [[(one.seed, one.steps) for one in point.runs] for point in made.points] == [
        [(42, 3), (43, 3)],
        [(42, 6), (43, 6)],
    ]
    full, half = made.points[1], made.points[0]
    assert full.runs[0].mentions == full.runs[1].mentions > half.runs[0].mentions > 0
    assert full.f1 == pytest.approx(sum(one.f1 for one in full.runs) / 2)
    assert 0 <= full.interval[0] <= full.f1 <= full.interval[1] <= 1
    assert (made.unit, made.sentences, made.split) == ("sentence", 48, "validation")
    spans = sum(tag.startswith("B-") for words in sentences(16, 1) for _, tag in words)
    assert made.support == spans


def test_the_whole_share_is_what_train_reaches(whole, corpus, encoder, tmp_path):
    trained = run(corpus, encoder, tmp_path / "run", train__epochs=1, train__seed=43, report=False)
    point = whole[0].points[1].runs[1]
    assert point.f1 == trained.scores["validation"]["lenient"]["f1"]
    assert point.strict_f1 == trained.scores["validation"]["strict"]["f1"]


def test_the_folder_holds_the_figures_and_nothing_of_the_training(whole):
    made, _ = whole
    assert sorted(path.name for path in made.path.iterdir()) == ["curve.json", "curve.jsonl", "curve.svg"]
    assert json.loads((made.path / "curve.json").read_text()) == json.loads(json.dumps(made.to_dict()))
    head, *points = map(json.loads, (made.path / "curve.jsonl").read_text().splitlines())
    assert head["split"] == "validation"
    assert [(point["share"], point["seed"]) for point in points] == [(0.5, 42), (1, 42), (0.5, 43), (1, 43)]
    assert (made.path / "curve.svg").read_text().startswith("<?xml")


def test_a_line_for_each_point_with_the_time_left(whole):
    lines = [line for line in whole[1].splitlines() if "share" in line]
    assert len(lines) == 4
    assert lines[0].startswith("1/4  share 0.5 (24 sentences), seed 42: validation F1 0.")
    assert lines[0].endswith(" left")
    assert not lines[-1].endswith(" left")
    assert "epoch" not in whole[1]


def test_going_on_after_a_stop_gives_the_same_files(whole, corpus, encoder, tmp_path, monkeypatch):
    calls, real = [], module.train

    def stop_in_the_third(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            options["out"].mkdir()
            (options["out"] / "half").write_text("…")
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(module, "train", stop_in_the_third)
    out = tmp_path / "out"
    with pytest.raises(
        RunError, match=r"interrupted; 2 of 4 points are trained; go on .* --resume"
    ) as caught:
        drawn(corpus, encoder, out)
    assert caught.value.exit_code == 130
    assert [path.name for path in out.iterdir()] == ["curve.jsonl"]
    with (out / "curve.jsonl").open("a") as file:
        file.write('{"share": 0.5, "se')  # the machine stopped while a line was written
    again = drawn(corpus, encoder, out, resume=True)
    assert len(calls) == 5
    for name in ("curve.jsonl", "curve.json", "curve.svg"):
        assert (out / name).read_text() == (whole[0].path / name).read_text()
    drawn(corpus, encoder, out, resume=True)
    assert len(calls) == 5
    assert again.judgement == whole[0].judgement


def test_seeds_can_be_added(whole, corpus, encoder, tmp_path):
    console = Quiet()
    drawn(corpus, encoder, tmp_path, shares=(0.5, 1), seeds=1)
    more = drawn(corpus, encoder, tmp_path, seeds=2, resume=True, console=console)
    assert more.points == whole[0].points
    assert console.text.count("seed 43") == 2
    assert "seed 42" not in console.text
    fewer = drawn(corpus, encoder, tmp_path, seeds=1, resume=True)
    assert fewer.notices == ["points of other shares or seeds, left out: 2"]
    assert fewer.judgement.case in ("one seed", "unlearned")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"settings": SETTINGS | {"train.epochs": 2}},
            "the curve was begun with train.epochs = 1.0, not 2.0",
        ),
        ({"settings": SETTINGS | {"train.seed": 1}}, "the curve was begun with train.seed = 42, not 1"),
        ({"split": "test"}, "the curve was begun with --split validation, not test"),
        ({"data": True}, "the curve was begun with other data"),
        ({"resume": False}, "there is a curve here already; give --resume, --overwrite or another --out"),
        ({"overwrite": True}, "--resume and --overwrite exclude each other"),
    ],
)
def test_another_curve_is_refused_by_name(whole, corpus, encoder, tmp_path, changes, line):
    before = (whole[0].path / "curve.jsonl").read_text()
    if changes.pop("data", False):
        corpus = write_corpus(tmp_path / "other", train=40)
    with pytest.raises(InputError, match=line):
        drawn(corpus, encoder, whole[0].path, **({"resume": True} | changes))
    assert (whole[0].path / "curve.jsonl").read_text() == before


@pytest.mark.parametrize(
    "field", [{"f1": 7}, {"f1": float("nan")}, {"sentences": 0}, {"seed": -1}, {"share": 2}]
)
def test_points_that_cannot_be_are_refused_by_line(whole, corpus, encoder, tmp_path, field):
    lines = (whole[0].path / "curve.jsonl").read_text().splitlines(keepends=True)
    lines[2] = json.dumps(json.loads(lines[2]) | field) + "\n"
    (tmp_path / "curve.jsonl").write_text("".join(lines))
    with pytest.raises(InputError, match=r"curve\.jsonl:3: this is no line of a curve"):
        drawn(corpus, encoder, tmp_path, resume=True)


def test_a_log_that_is_no_text_is_refused_by_line(corpus, encoder, tmp_path):
    (tmp_path / "curve.jsonl").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"curve\.jsonl:1: this is no line of a curve"):
        drawn(corpus, encoder, tmp_path, resume=True)


def test_a_stop_while_the_log_was_rewritten_does_not_lock_the_folder(whole, corpus, encoder, tmp_path):
    for name in ("curve.jsonl", ".training.curve.jsonl"):
        (tmp_path / name).write_text((whole[0].path / "curve.jsonl").read_text())
    made = drawn(corpus, encoder, tmp_path, resume=True)
    assert [point.f1 for point in made.points] == [point.f1 for point in whole[0].points]
    assert not (tmp_path / ".training.curve.jsonl").exists()


def test_overwrite_begins_anew(corpus, encoder, tmp_path):
    (tmp_path / "curve.jsonl").write_text("nonsense\n")
    with pytest.raises(InputError, match=r"curve\.jsonl:1: this is no line of a curve"):
        drawn(corpus, encoder, tmp_path, resume=True)
    made = drawn(corpus, encoder, tmp_path, shares=(0.5,), seeds=1, overwrite=True)
    assert (made.judgement.case, len(made.points)) in [("one size", 1), ("unlearned", 1)]


def test_another_folder_is_left_alone(corpus, encoder, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="this folder holds something else than a curve"):
            drawn(corpus, encoder, tmp_path, **options)
    with pytest.raises(InputError, match="there is no curve here to resume; leave --resume out"):
        drawn(corpus, encoder, tmp_path / "new", resume=True)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"shares": (0.5, 2)}, "a share of 2 of the data"),
        (
            {"shares": (0.01, 1), "seeds": 20},
            "the share 0.01 of the train split .* holds no entity; the smallest share",
        ),
        ({"seeds": 0}, "0 seeds; give at least 1"),
        ({"split": "train"}, "a curve cannot be scored on 'train'"),
        ({"data": None}, "no data was named"),
        ({"encoder": None}, "no encoder was named"),
        ({"settings": {"train.epoch": 1}}, "unknown recipe key 'train.epoch'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(
    corpus, encoder, tmp_path, monkeypatch, changes, line
):
    def fail(*_, **__):
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(module, "train", fail)
    changes = {"data": corpus, "encoder": encoder} | changes
    settings = changes.pop("settings", SETTINGS)
    model = changes.pop("encoder")
    with pytest.raises(InputError, match=line):
        curve(
            None,
            model=model and str(model),
            out=tmp_path / "out",
            settings=settings,
            console=Quiet(),
            **({"shares": (0.5, 1), "seeds": 3} | changes),
        )
    assert not (tmp_path / "out").exists()


def test_a_wrong_encoder_leaves_nothing_behind(corpus, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        drawn(corpus, tmp_path / "nowhere", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_training_that_fails_says_how_to_go_on(corpus, encoder, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RunError("the loss is not finite", where="elsewhere")

    monkeypatch.setattr(module, "train", fail)
    with pytest.raises(RunError, match="out: the loss is not finite; go on with the same call and --resume"):
        drawn(corpus, encoder, tmp_path / "out")


def test_every_point_has_the_labels_and_the_splits_of_the_whole(corpus, encoder, tmp_path, monkeypatch):
    """Also where a part lacks a type, or would be read by another scheme; and test stays unseen."""
    seen, real = [], module.train

    def look(recipe, *, data, **options):
        seen.append((recipe.data.scheme, data["train"].features["ner_tags"].feature.names, list(data)))
        return real(recipe, data=data, **options)

    monkeypatch.setattr(module, "train", look)
    drawn(
        corpus,
        encoder,
        tmp_path / "out",
        shares=(0.1, 0.5),
        seeds=1,
        settings=SETTINGS | {"data.tag_scheme": "bilou"},
    )
    names = list(
        read_corpus(corpus, settings=Recipe.load(None, {"data.tag_scheme": "bilou"}).data).labels.names
    )
    assert seen == [("bilou", names, ["train", "validation"])] * 2


def test_data_without_validation_is_held_out_once(encoder, tmp_path):
    path = tmp_path / "train.conll"
    path.write_text(conll(sentences(48, 0)))
    made = drawn(
        path, encoder, tmp_path / "out", seeds=1, settings=SETTINGS | {"data.validation_share": 0.25}
    )
    assert (made.sentences, [point.sentences for point in made.points]) == (36, [18, 36])
    assert made.notices == [
        "no validation split: 12 of 48 train sentences were held out by sentence (share 0.25, seed 0)"
    ]


def test_documents_are_drawn_whole(encoder, tmp_path):
    path = tmp_path / "train.conll"
    blocks = [conll(sentences(6, seed)) for seed in range(8)]
    path.write_text("".join(f"# newdoc id = d{number}\n{block}" for number, block in enumerate(blocks)))
    made = drawn(
        path, encoder, tmp_path / "out", seeds=1, settings=SETTINGS | {"data.validation_share": 0.25}
    )
    assert (made.unit, made.sentences) == ("document", 36)
    assert [point.sentences for point in made.points] == [18, 36]


def test_test_is_scored_where_it_is_asked_for(corpus, encoder, tmp_path):
    made = drawn(corpus, encoder, tmp_path / "out", shares=(1,), seeds=1, split="test")
    spans = sum(tag.startswith("B-") for words in sentences(16, 2) for _, tag in words)
    assert (made.split, made.support) == ("test", spans)


def test_several_processes_are_refused(corpus, encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="a curve is trained in one process"):
        drawn(corpus, encoder, tmp_path / "out")


def test_progress_goes_to_stderr(corpus, encoder, tmp_path, capsys):
    drawn(corpus, encoder, tmp_path / "out", shares=(0.5,), seeds=1, console=Console(stderr=True))
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/1  share 0.5" in err
