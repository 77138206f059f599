"""`tagwright report` from the outside."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import tagwright as tw
from tests.models import tiny_bundle
from tests.report.context import context
from tests.train import toy

LABELS = ["O", "B-location", "I-location", "B-person", "I-person"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return toy.write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory) -> Path:
    encoder = toy.write_encoder(tmp_path_factory.mktemp("encoder") / "tiny")
    return toy.run(corpus, encoder, tmp_path_factory.mktemp("runs") / "tagger").path


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "other", labels=LABELS)


COMMAND = "report"


def test_a_page_on_the_data_of_the_training(call, trained, tmp_path):
    file = tmp_path / "report.html"
    file.write_text("of yesterday")
    code, out, err = call(trained, "-o", file)
    assert (code, out, err) == (0, "", f"the report is in {file}\n")
    page = file.read_text(encoding="utf-8")
    made = tw.Tagger.load(trained).meta.made
    assert page.startswith("<!doctype html>")
    assert f"<dd>{made['scores']['test']['lenient']['f1']:.4f}</dd>" in page
    assert "How training went" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_same_call_gives_the_same_bytes(call, trained, tmp_path):
    for name in ("one.html", "two.html"):
        assert call(trained, "-o", tmp_path / name)[0] == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


@pytest.mark.parametrize(
    ("name", "start"), [("r.md", "# tagger\n"), ("r.txt", "tagger on "), ("r.json", '{"title": "tagger"')]
)
def test_the_ending_names_the_format(call, trained, tmp_path, name, start):
    assert call(trained, "-o", tmp_path / name)[0] == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_without_a_file_the_tables_go_to_the_terminal(call, trained):
    code, out, err = call(trained)
    assert (code, err) == (0, "")
    for part in ("tagger on ", "lenient", "missed", "calibration", "mentions"):
        assert part in out
    code, out, _ = call(trained, "--to", "markdown")
    assert (code, out.partition("\n")[0]) == (0, "# tagger")


def test_json_is_one_object_and_nothing_else(call, trained, corpus):
    code, out, err = call(trained, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    assert found["analysis"]["scores"] == tw.evaluate(trained, corpus).to_dict()
    assert len(found["made"]["history"]) == 2
    like = context()  # what the tests of the rendering render
    assert found.keys() == like.keys()
    for part in ("analysis", "data"):
        assert found[part].keys() == like[part].keys()


def test_against_another_tagger(call, trained, untrained, tmp_path):
    code, _, _ = call(trained, "--against", untrained, "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert code == 0
    assert "tagger is better than other" in page
    code, out, _ = call(trained, "--against", untrained, "--json")
    pair = json.loads(out)["comparison"]["pairs"][0]
    assert (pair["a"], pair["b"]) == ("other", "tagger")
    assert pair["difference"] > 0


def test_other_data_is_noticed(call, trained, tmp_path):
    other = toy.write_corpus(tmp_path / "other", test=9)
    code, out, err = call(trained, "--data", other, "--json")
    assert code == 0
    assert "is not what the tagger was trained on" in err
    assert json.loads(out)["analysis"]["sentences"] == 9


def test_another_split(call, trained):
    code, out, err = call(trained, "--split", "validation", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["analysis"]["split"] == "validation"


def test_the_split_that_training_held_out_is_held_out_again(call, trained, tmp_path):
    data = toy.write_corpus(tmp_path / "data", validation=0, test=0)
    encoder = toy.write_encoder(tmp_path / "tiny")
    result = toy.run(data, encoder, tmp_path / "run", train__epochs=1, data__validation_share=0.3)
    code, out, err = call(result.path, "--json")
    assert code == 0
    assert "these are scores on validation, which chose the weights" in err
    found = json.loads(out)["analysis"]
    assert found["scores"] == result.scores["validation"]


def test_how_the_data_was_read_is_remembered_and_can_be_changed(call, tmp_path):
    rows = [[(tag, word) for word, tag in words] for words in toy.sentences(40, 0)]
    (tmp_path / "train.conll").write_text(toy.conll(rows))
    encoder = toy.write_encoder(tmp_path / "tiny")
    columns = {"data__word_column": 1, "data__tag_column": 0}
    result = toy.run(tmp_path / "train.conll", encoder, tmp_path / "run", train__epochs=1, **columns)
    assert call(result.path, "--json")[0] == 0
    code, _, err = call(result.path, "--tag-column", "1", "--word-column", "0", "--json")
    assert code == 2 or "not what the tagger was trained on" in err


def test_data_that_is_gone(call, tmp_path):
    data = toy.write_corpus(tmp_path / "data")
    encoder = toy.write_encoder(tmp_path / "tiny")
    result = toy.run(data, encoder, tmp_path / "run", train__epochs=1)
    data.rename(tmp_path / "moved")
    code, out, err = call(result.path)
    assert (code, out) == (2, "")
    assert err == (
        f"tagwright: error: {data}: the data that the tagger was trained on cannot be read: there is"
        " no such file or folder; name it with --data\n"
    )
    assert call(result.path, "--data", tmp_path / "moved", "-o", tmp_path / "r.md")[0] == 0


def test_a_tagger_that_does_not_say(call, untrained):
    code, _, err = call(untrained)
    assert code == 2
    assert "the bundle does not say where its data lies; name the data with --data" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "r.pdf"], "the ending '.pdf' names no format"),
        (["-o", "r"], "the file has no ending; end it in .html"),
        (["-o", "none/r.html"], "there is no such folder to write to"),
        (["-o", "."], "a folder stands there"),
        (["--json", "--to", "html"], "--json and --to html exclude each other"),
        (["--split", "dev"], "the data has no dev split"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(call, trained, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(trained, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_one_line_before_the_work(call, trained, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = call(trained, "-o", tmp_path / "r.html")
    assert code == 2
    assert err == f"tagwright: error: {package} is not installed; pip install 'tagwright[report]'\n"
    assert call(trained, "-o", tmp_path / "r.md")[0] == 0


def test_a_full_disk_leaves_the_earlier_report(trained, tmp_path, monkeypatch):
    file = tmp_path / "r.md"
    file.write_text("of yesterday")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tagwright.report.write.os.replace", full)
    with pytest.raises(tw.TagwrightError, match=r"r\.md: cannot be written: No space left on device"):
        tw.report(trained, out=file)
    assert file.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["r.md"]


def test_from_python(trained, corpus, tmp_path):
    page = tw.report(trained)
    assert page.startswith("<!doctype html>")
    assert tw.report(tw.Tagger.load(trained), corpus, out=tmp_path / "r.md") == tmp_path / "r.md"
    with pytest.raises(tw.TagwrightError, match="there is no format 'pdf'; name one of html, markdown"):
        tw.report(trained, to="pdf")
