"""What the benchmarks of prediction count with; a whole run of each on a tiny bundle is long."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import tiny_bundle
from tests.pages import write_corpus

ROOT = Path(__file__).parents[1]


def test_documents_hold_the_words_in_order_and_no_entity_is_cut(load_benchmark):
    data = load_benchmark("predict_data")
    sentences = [([f"w{n}", f"x{n}", f"y{n}"], [(1, 3, "person")] if n % 2 else []) for n in range(2000)]

    documents = data.as_documents(sentences)

    assert documents == data.as_documents(sentences)
    assert [len(words) for words, _ in documents[:2]] == [1, 3000]
    assert all(1 <= len(words) <= 3001 for words, _ in documents)
    assert [word for words, _ in documents for word in words] == [w for words, _ in sentences for w in words]
    found = [words[start:end] for words, entities in documents for start, end, _ in entities]
    assert found == [words[1:3] for words, entities in sentences if entities]


def test_the_floor_counts_the_products_of_the_architecture(load_benchmark, tmp_path):
    """Against the shapes of the weights that multiply, and attention's two products."""
    floor = load_benchmark("predict_floor")
    bundle = tiny_bundle(tmp_path / "run")
    from safetensors.numpy import load_file

    weights = load_file(bundle / "model.safetensors")
    dense = sum(
        value.size
        for name, value in weights.items()
        if value.ndim == 2 and "embedding" not in name and "pre_classifier" not in name
    )
    layers, width = 2, 32
    windows = [5, 9]
    expected = sum(n * dense + layers * 2 * n * n * width for n in windows)
    assert floor.multiply_adds(windows, **floor.sizes_of(bundle)) == expected


def test_the_floor_counts_pieces_once_whatever_the_windows(load_benchmark, tmp_path):
    floor = load_benchmark("predict_floor")
    bundle = tiny_bundle(tmp_path / "run")
    words = ["storm"] * 150
    [whole] = floor.windows_of(bundle, [words], 10_000)

    windows = floor.windows_of(bundle, [words, ["storm"]], 64)

    assert max(windows) == 64
    assert sum(windows[:-1]) - 2 * len(windows[:-1]) == whole - 2


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-a", "I-a", "O"], [(0, 2, "a")]),
        (["B-a", "B-a"], [(0, 1, "a"), (1, 2, "a")]),
        (["I-a", "I-b", None, "I-b"], [(0, 1, "a"), (1, 2, "b"), (3, 4, "b")]),
        ([], []),
    ],
)
def test_the_plain_loop_reads_tags_leniently(load_benchmark, tags, spans):
    assert list(load_benchmark("predict_arms").spans_of(tags)) == spans


def test_entities_in_words_and_in_characters_are_compared(load_benchmark):
    table = load_benchmark("predict_table")
    documents = [["New", "York", "!"], []]

    in_words = table.in_characters([[[0, 2, "location"]], []], documents)

    assert in_words == table.as_set([[[0, 8, "location"]], []])
    assert table.f1(in_words, in_words) == 1
    assert table.f1(in_words, set()) == 0


def test_percentiles_take_the_nearest_rank(load_benchmark):
    assert load_benchmark("predict_table").quantiles([float(n) for n in range(1, 101)]) == "51.0 / 100.0"


def test_a_result_that_is_there_is_kept_and_a_failure_is_tried_again(load_benchmark, tmp_path):
    call = load_benchmark("predict").call
    out = tmp_path / "made.json"
    write = [sys.executable, "-c", f"open({str(out)!r}, 'w').write('{{\"best_batch\": 4}}')"]
    args = argparse.Namespace(resume=True, threads=1)

    assert (
        "no such thing"
        in call([sys.executable, "-c", "raise SystemExit('no such thing')"], out, args)["error"]
    )
    assert call(write, out, args) == {"best_batch": 4}
    assert call([sys.executable, "-c", "raise SystemExit('again')"], out, args) == {"best_batch": 4}
    args.resume = False
    assert "again" in call([sys.executable, "-c", "raise SystemExit('again')"], out, args)["error"]


def test_lines_of_the_big_file_differ_unless_asked(load_benchmark, tmp_path):
    stream = load_benchmark("stream")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_corpus(corpus)
    for same in (False, True):
        path = tmp_path / "text.txt"
        size, lines, words = stream.write_text(path, str(corpus), 0.05, same=same)
        text = path.read_text(encoding="utf-8")
        assert size == len(text.encode()) >= 50_000
        assert lines == text.count("\n") == len(text.splitlines())
        assert words == len(text.split(" ")) + lines - 1
        assert (len(set(text.splitlines())) == lines) is not same


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.long
def test_prediction_is_measured_from_end_to_end(tmp_path):
    bundle, corpus = tiny_bundle(tmp_path / "run"), tmp_path / "corpus"
    corpus.mkdir()
    arms = ["pipeline, best batch", "plain loop fp32", "Tagwright torch fp32", "Tagwright torch fp32, words"]
    call = ["benchmarks/predict.py", str(bundle), write_corpus(corpus), "--rounds", "1", "--calls", "5"]
    call += ["--threads", "1", "--work", str(tmp_path / "work"), "--json", str(tmp_path / "all.json")]

    printed = run(*call, "--arms", *arms)

    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert names == ["arm", *arms] * 2
    assert "failed" not in printed
    made = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert set(made["sentences"]) == set(arms)
    assert run(*call, "--arms", *arms, "--resume").count(" words/s\n") == 0


@pytest.mark.long
def test_a_small_file_streams_through_kills(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    call = [
        "tiny",
        write_corpus(corpus),
        "--megabytes",
        "0.5",
        "--kills",
        "2",
        "--work",
        str(tmp_path / "work"),
    ]

    printed = run("benchmarks/stream.py", *call)

    assert "the same bytes" in printed
    assert "MB in the first tenth" in printed
    assert [path.suffix for path in (tmp_path / "work").iterdir()] == [".err", ".err"]


@pytest.mark.long
def test_start_up_is_measured(tmp_path):
    printed = run("benchmarks/startup.py", str(tiny_bundle(tmp_path / "run")), "--rounds", "1")

    rows = [line for line in printed.splitlines() if line.startswith("| `")]
    assert len(rows) == 5
    assert rows[0].startswith("| `python -c pass` |")
