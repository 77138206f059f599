"""Systems held against the first: symmetries, agreement with `score`, verdicts, files, bundles, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tagwright as tw
from tagwright.cli.main import run
from tagwright.config import DataSettings
from tagwright.data.conll import read_conll
from tagwright.data.conll_writer import write_conll
from tagwright.data.load import read_corpus
from tagwright.errors import InputError
from tagwright.score.comparison import Bench, SystemPair
from tagwright.score.systems import name_systems
from tagwright.score.verdict import judge_systems, needed_units
from tagwright.tags import LabelMap, Scheme, convert_tags
from tests.models import tiny_bundle
from tests.train.toy import write_corpus

LABELS = LabelMap.from_types(["person", "location"], Scheme.IOB2)
Tags = list[list[str]]

GOLD = [["B-person", "I-person", "O"], ["O", "B-location"], ["O", "O"], ["B-person", "O"]] * 10
HALF = [["O"] * len(tags) if number % 2 else tags for number, tags in enumerate(GOLD)]
NEAR = [["O"] * len(tags) if number == 1 else tags for number, tags in enumerate(GOLD)]


@st.composite
def three_sides(draw: st.DrawFn) -> tuple[Tags, Tags, Tags]:
    tag = st.sampled_from(LABELS.names)
    gold = draw(st.lists(st.lists(tag, min_size=1, max_size=5), min_size=1, max_size=8))
    one, other = ([[draw(st.just(name) | tag) for name in tags] for tags in gold] for _ in "ab")
    return gold, one, other


def pair_of(*systems: Any, **settings: Any) -> dict[str, Any]:
    [pair] = tw.compare(*systems, names=["a", "b"], **{"rounds": 50, **settings}).to_dict()["pairs"]
    return {key: value for key, value in pair.items() if key != "verdict"}


@settings(max_examples=40)
@given(three_sides(), st.data())
def test_symmetries(sides: tuple[Tags, Tags, Tags], data: st.DataObject) -> None:
    gold, one, other = sides
    here, there = pair_of(gold, one, other), pair_of(gold, other, one)
    assert here["difference"] == -there["difference"]
    assert here["interval"] == [-there["interval"][1], -there["interval"][0]]
    assert [here[key] for key in ("p", "differing", "needed")] == [
        there[key] for key in ("p", "differing", "needed")
    ]
    for name, row in here["per_type"].items():
        turned = there["per_type"][name]
        assert (row["a"], row["b"], row["difference"]) == (turned["b"], turned["a"], -turned["difference"])
        assert row["interval"] == [-turned["interval"][1], -turned["interval"][0]]

    order = data.draw(st.permutations(range(len(gold))))
    assert pair_of(*([side[place] for place in order] for side in sides)) == here

    same = pair_of(gold, one, one)
    assert (same["difference"], same["interval"], same["p"]) == (0.0, [0.0, 0.0], 1.0)


@settings(max_examples=40)
@given(three_sides(), st.sampled_from(["lenient", "strict"]))
def test_figures_are_those_of_score(sides: tuple[Tags, Tags, Tags], reading: str) -> None:
    gold, *systems = sides
    found = tw.compare(gold, *systems, reading=reading, rounds=10, settings=DataSettings(scheme="iob2"))
    for system, side in zip(found.systems, systems, strict=True):
        scores = getattr(tw.score(gold, side, scheme="iob2"), reading)
        assert (system.f1, system.precision, system.recall) == (scores.f1, scores.precision, scores.recall)
    [pair] = found.pairs
    assert pair.difference == found.systems[1].f1 - found.systems[0].f1
    assert found.bench.mentions == scores.support


def test_json() -> None:
    found = tw.compare(GOLD, HALF, NEAR, GOLD, rounds=100).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert [system["name"] for system in found["systems"]] == ["system 1", "system 2", "system 3"]
    assert all(
        low <= system["f1"] <= high for system in found["systems"] for low, high in [system["interval"]]
    )
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [
        ("system 1", "system 2"),
        ("system 1", "system 3"),
    ]
    assert [pair["p_holm"] for pair in found["pairs"]] == pytest.approx([2 / 101] * 2)
    assert (found["sentences"], found["words"], found["mentions"], found["unit"]) == (40, 90, 30, "sentences")
    assert set(found["pairs"][0]["per_type"]) == {"location", "person"}
    assert found["notes"] == []


def test_other_seeds_give_other_draws() -> None:
    one, other = (tw.compare(GOLD, NEAR, HALF, seed=seed, rounds=200).to_dict() for seed in (1, 2))
    assert one["pairs"][0]["interval"] != other["pairs"][0]["interval"]
    assert one["systems"][0]["interval"] != other["systems"][0]["interval"]


@pytest.mark.parametrize("scheme", [Scheme.IOB1, Scheme.BIOES, Scheme.BILOU])
def test_each_system_is_read_in_its_own_scheme(scheme: Scheme) -> None:
    other = convert_tags(NEAR, Scheme.IOB2, scheme)
    assert pair_of(GOLD, NEAR, other)["differing"] == 0
    if scheme is not Scheme.IOB1:  # its tags fit gold's scheme, which the strict reading takes them by
        assert pair_of(GOLD, NEAR, other, reading="strict")["differing"] == 0


def test_one_label_a_word() -> None:
    gold = [["DET", "NOUN", "VERB"], ["NOUN", "VERB"], ["VERB", "DET", "NOUN"]] * 5
    one = [["NOUN" if tag == "VERB" else tag for tag in tags] for tags in gold[:5]] + gold[5:]
    found = tw.compare(gold, one, gold, rounds=200)
    assert found.systems[0].f1 == tw.score(gold, one).lenient.f1
    assert found.systems[0].interval[0] < found.systems[0].f1 < found.systems[0].interval[1]
    assert set(found.pairs[0].per_type) == {"DET", "NOUN", "VERB"}


def test_documents_are_swapped_whole(tmp_path: Path) -> None:
    sides = []
    for name, tags in (("gold", GOLD), ("a", HALF), ("b", NEAR)):
        documents = [f"d{number // 10}" for number in range(len(tags))]
        words = [(["w"] * len(row), row) for row in tags]
        write_conll(tmp_path / f"{name}.conll", words, documents=documents)
        sides.append(tmp_path / f"{name}.conll")
    found = tw.compare(*sides)
    assert (found.bench.unit, found.bench.units, found.pairs[0].differing) == ("documents", 4, 4)
    assert found.pairs[0].p == pytest.approx(2 / 16, abs=0.02)
    assert "differ in 4 documents only: too few for any p below 0.12" in found.pairs[0].verdict
    by_sentence = tw.compare(GOLD, HALF, NEAR)
    assert (by_sentence.bench.unit, by_sentence.pairs[0].p < 0.001) == ("sentences", True)


def test_names() -> None:
    assert name_systems(["x/base.conll", Path("y/new.conll"), [["O"]]]) == ["base", "new", "system 3"]
    assert name_systems(["x/a.conll", "y/a.conll", "b.conll"]) == ["x/a.conll", "y/a.conll", "b"]
    assert name_systems(["a.conll", "a.conll"]) == ["a", "a (2)"]
    assert name_systems(["tests/score", "tests/report/"]) == ["score", "report"]


BENCH = Bench("gold", None, "lenient", 1287, 23394, 1079, "sentences", 1287, 10_000, 0, 0.95)


def verdict(
    difference: float, interval: tuple[float, float], p: float, *, tests: int = 1, **values: Any
) -> str:
    p_holm = min(1.0, p * tests)
    enough = needed_units(BENCH.units, difference, interval, tests=tests)
    numbers = {"p": p, "p_holm": p_holm, "differing": 100, "needed": enough, "per_type": {}, **values}
    return judge_systems(SystemPair("A", "B", difference, interval, **numbers), BENCH, tests=tests)


def test_verdicts() -> None:
    better = verdict(0.0231, (0.009, 0.037), 0.0012)
    assert better.startswith(
        "B is better than A on these 1,287 sentences: +2.31 points of F1 (95% interval 0.90 to 3.70, p = 0.0012)."
    )
    assert "B is worse than A" in verdict(-0.0231, (-0.037, -0.009), 0.0012)
    assert "p = 0.0024 after Holm's correction for 2 tests" in verdict(
        0.0231, (0.009, 0.037), 0.0012, tests=2
    )
    assert "a close call" in verdict(0.02, (-0.001, 0.041), 0.049)

    chance = verdict(0.005, (-0.009, 0.019), 0.48)
    assert chance.startswith(
        "The difference between B and A on these 1,287 sentences is within what chance gives"
    )
    assert "does not show that they are equally good" in chance
    assert "about 21,000 sentences would be needed" in chance  # 1287 * (2.8 * 0.00714 / 0.005) ** 2
    assert "No test set of a usual size" in verdict(0.0001, (-0.014, 0.014), 0.9)
    assert "needed" not in verdict(0.0, (-0.014, 0.014), 1.0)
    assert "differ in 1 sentence only" in verdict(0.001, (0.0, 0.003), 1.0, differing=1)
    assert "nothing here tells them apart" in verdict(0.0, (0.0, 0.0), 1.0, differing=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bundles")
    names = ["O", "B-location", "I-location", "B-person", "I-person"]
    return [tiny_bundle(folder / f"run{seed}", labels=names, seed=seed) for seed in (1, 2, 3, 4)]


def test_taggers_predictions_and_objects_on_one_split(
    corpus: Path, bundles: list[Path], tmp_path: Path
) -> None:
    tagger = tw.Tagger.load(bundles[1], precision="fp32")
    test = read_corpus(corpus).splits["test"]
    words = test["tokens"][:]
    write_conll(tmp_path / "saved.conll", [(row, tagger.tag(row)) for row in words])
    found = tw.compare(
        bundles[0], tagger, tmp_path / "saved.conll", data=corpus, precision="fp32", rounds=100
    )
    assert [system.name for system in found.systems] == ["run1", "system 2", "saved"]
    assert found.systems[0].f1 == tw.evaluate(bundles[0], corpus, precision="fp32").lenient.f1
    assert found.systems[1].f1 == found.systems[2].f1
    assert found.pairs[0].interval == found.pairs[1].interval
    assert found.bench.split == "test"
    assert any("another seed moves F1" in note for note in found.notes)


def test_groups_of_taggers(corpus: Path, bundles: list[Path]) -> None:
    pattern = str(bundles[0].parent / "run[12]")
    found = tw.compare(data=corpus, groups={"old": pattern, "new": bundles[2:]}, precision="fp32")
    assert [group.runs for group in found.groups] == [("run1", "run2"), ("run3", "run4")]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for name, tags in (("gold", GOLD), ("half", HALF), ("near", NEAR)):
        paths[name] = tmp_path / f"{name}.conll"
        write_conll(paths[name], [([f"w{place}" for place in range(len(row))], row) for row in tags])
    return paths


def test_the_command(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(files[name]) for name in ("gold", "half", "near")]
    assert run(["compare", *paths, "--rounds", "500", "--seed", "3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 1)
    assert json.loads(out) == tw.compare(*paths, rounds=500, seed=3).to_dict()

    assert run(["compare", *paths]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "near is better than half on these 40 sentences" in out
    assert "\x1b" not in out

    groups = ["--group", f"a={paths[1]},{paths[2]}", "--group", f"b={files['gold'].parent}/[gn]*.conll"]
    assert run(["compare", paths[0], *groups]) == 2
    assert "near.conll: the run stands twice" in capsys.readouterr().err
    copy = files["gold"].parent / "half2.conll"
    copy.write_bytes(files["half"].read_bytes())
    groups = ["--group", f"a={paths[1]}", "--group", f"a={copy}", "--group", f"b={paths[0]},{paths[2]}"]
    assert run(["compare", paths[0], *groups, "--json"]) == 0
    out, err = capsys.readouterr()
    assert "gold equals gold throughout" in err
    assert [group["runs"] for group in json.loads(out)["groups"]] == [["half", "half2"], ["gold", "near"]]


def test_other_words_are_noticed(files: dict[str, Path]) -> None:
    files["near"].write_text(files["near"].read_text().replace("w1", "W1", 1))
    [notice] = tw.compare(*files.values(), rounds=100).notices
    assert notice == (
        "near: 1 word differs from gold at the same position, first"
        f" 'w1' ({files['gold']}:2) and 'W1' ({files['near']}:2)"
    )


def test_another_scheme_or_other_types_are_noticed(files: dict[str, Path]) -> None:
    gold, half, near = files.values()
    near.write_text(near.read_text().replace("B-", "b-").replace("I-", "i-"))
    scheme, types = tw.compare(gold, half, near, rounds=100).notices
    assert scheme == "near: its tags are read in scheme io, gold's in iob2"
    assert types == "near: none of its types is one of gold's ('b-person' for one; gold has 'person')"


def test_tags_that_strict_does_not_count_are_noticed(files: dict[str, Path]) -> None:
    gold, half, near = files.values()
    near.write_text(near.read_text().replace("B-", "I-"))
    [notice] = tw.compare(gold, half, near, reading="strict", rounds=100).notices
    assert notice == (f"near: 29 tags stand where iob2 does not allow it, first 'I-person' ({near}:1)")
    assert tw.compare(gold, half, near, rounds=100).notices == ()


def test_mixed_tags_have_their_place(files: dict[str, Path]) -> None:
    gold, half, near = files.values()
    near.write_text(near.read_text().replace("w1\tB-location", "w1\tthere", 1))
    with pytest.raises(InputError, match=rf"^{near}:\d+: the tag 'there' has no prefix"):
        tw.compare(gold, half, near)


def test_the_number_of_rounds() -> None:
    [notice] = tw.compare(GOLD, HALF, NEAR, rounds=1).notices
    assert notice.startswith("with so few rounds (1), intervals and p are rough")
    with pytest.raises(InputError, match="more than 1,000,000 tell nothing more"):
        tw.compare(GOLD, HALF, NEAR, rounds=10**9)


def test_thousands_of_types_fit_in_memory() -> None:
    gold = [[f"B-t{3 * number + place}" for place in range(3)] for number in range(1500)]
    half = [["O"] * 3 if number % 2 else tags for number, tags in enumerate(gold)]
    scores = tw.score(gold, half).to_dict()
    assert "f1_interval" not in scores["lenient"]["per_type"]["t0"]
    low, high = scores["f1_interval"]
    assert low < scores["lenient"]["f1"] < high
    system = tw.compare(gold, half, gold, rounds=100).systems[0]
    assert system.interval == (low, high)


def test_sentences_that_part(files: dict[str, Path]) -> None:
    lines = files["near"].read_text().splitlines(keepends=True)
    files["near"].write_text("".join(lines[:8] + lines[9:]))
    with pytest.raises(InputError) as caught:
        tw.compare(*files.values())
    assert str(caught.value).startswith(
        f"90 words in {files['gold']}, 89 in {files['near']}; they part at {files['gold']}:9 and {files['near']}:9;"
    )
    files["near"].write_text("".join([*lines[:4], "\n", lines[4], "\n", *lines[5:]]))
    with pytest.raises(InputError, match=r"the sentence borders of .* differ; they part at"):
        tw.compare(*files.values())


def test_data_and_predictions_that_part(corpus: Path, files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=rf"{corpus}/test.* and {files['half']}:"):
        tw.compare(files["half"], files["near"], data=corpus)


@pytest.mark.parametrize(
    ("systems", "settings", "what"),
    [
        ([], {}, "there are no gold tags"),
        ([GOLD], {}, "there is nothing to compare"),
        ([GOLD, HALF], {}, "there is only one system; .* tagwright score"),
        ([], {"data": "sample"}, "there is nothing to compare; .* tagwright evaluate"),
        ([GOLD, "none.conll", HALF], {}, "none.conll: there is no such file or folder"),
        ([GOLD, HALF, GOLD[:-1]], {}, "90 words in gold, 88 in system 2; they part at the end|sentence 40"),
        ([GOLD, HALF, NEAR], {"reading": "loose"}, "there is no reading 'loose'; choose lenient or strict"),
        ([GOLD, HALF, NEAR], {"rounds": 0}, "0 rounds"),
        ([GOLD, HALF, NEAR], {"seed": -1}, "the seed is -1"),
        ([GOLD, HALF, NEAR], {"names": ["a"]}, "1 names for 2 systems"),
        ([GOLD, HALF, NEAR], {"names": ["a", "a"]}, "two systems are called 'a'"),
        ([GOLD, HALF, 3], {}, "system 2 is int"),
        ([GOLD, HALF, ["O", "O"]], {}, "system 2 is a list of strings"),
        ([GOLD, HALF], {"groups": {"a": [HALF, NEAR], "b": [HALF, NEAR]}}, "a system stands beside --group"),
        ([HALF, NEAR], {"data": "sample", "split": "dev"}, "the data has no dev split"),
    ],
)
def test_what_cannot_be_compared(systems: list[Any], settings: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        tw.compare(*systems, **settings)


def test_taggers_need_data(files: dict[str, Path], bundles: list[Path]) -> None:
    with pytest.raises(InputError, match=r"is a folder: a tagger needs labelled data.*--data"):
        tw.compare(files["gold"], files["half"], bundles[0])
    with pytest.raises(InputError, match="without --data the gold file comes first"):
        tw.compare(*bundles)


@pytest.mark.real
def test_ten_thousand_rounds_on_wnut(wnut17: Path, tmp_path: Path) -> None:
    gold = read_conll(wnut17 / "emerging.test.annotated")
    sides = [
        [
            ["O"] * len(tags) if number % every == 0 else tags
            for number, tags in enumerate(gold.sequences(gold.tags))
        ]
        for every in (3, 2)
    ]
    found = tw.compare(list(gold.sequences(gold.tags)), *sides)
    assert (found.bench.sentences, found.bench.mentions, found.bench.rounds) == (1287, 1079, 10_000)
    assert found.pairs[0].p < 0.01
