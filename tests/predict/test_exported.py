"""An exported bundle answers as the one that it was made from, on every runtime, whatever the batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.predict.tagger import Tagger
from tests.models import TEXT, tiny_bundle
from tests.predict.exported import needs_runtimes, onnx_bundle, openvino_bundle, write_graph_of

pytestmark = needs_runtimes

NEAR = 1e-3
"""Log-probabilities nearer than this are a near-tie: they may be decided either way."""

RUNTIMES = ("onnx", "openvino", "onnx on openvino")
LONG = " ".join([TEXT] * 4)
TEXTS = [TEXT[start : start + size] for start in range(0, 60, 7) for size in (3, 20, 90, 200)] + [
    "",
    "New",
    LONG,
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("exported")
    bundle = tiny_bundle(base / "run")
    graph = write_graph_of(bundle, base / "graph.onnx")
    onnx = onnx_bundle(base / "onnx", bundle, graph)
    openvino = openvino_bundle(base / "openvino", bundle, graph)
    return {"torch": bundle, "onnx": onnx, "openvino": openvino, "onnx on openvino": onnx}


@pytest.fixture(scope="module")
def load(folders):
    def load(name: str, **options) -> Tagger:
        runtime = name.rpartition(" ")[2]
        return Tagger.load(folders[name], runtime=runtime, precision="fp32", device="cpu", **options)

    return load


@pytest.fixture(scope="module")
def taggers(load):
    return {name: load(name) for name in ("torch", *RUNTIMES)}


def equal_but_for_near_ties(tagger, texts, found, expected):
    """Tags are equal, or the words that differ lie in a text with a near-tie; scores are close."""
    for text, one, other in zip(texts, found, expected, strict=True):
        assert one.words == other.words
        if one.tags != other.tags:
            rows = np.sort([list(row.values()) for row in tagger.probabilities(one.words)])
            assert np.log(rows[:, -1] / rows[:, -2]).min() < NEAR, text
        else:
            assert one.scores == pytest.approx(other.scores, abs=1e-4)
            assert [entity[:3] for entity in places(one)] == [entity[:3] for entity in places(other)]


def places(prediction):
    return [(entity.label, entity.start, entity.end) for entity in prediction.entities]


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("batch_pieces", [64, 4096])
def test_padded_batches_and_windows_answer_as_torch_does(taggers, load, name, batch_pieces):
    tagger = load(name, batch_pieces=batch_pieces)
    found, expected = tagger.predict(TEXTS), taggers["torch"].predict(TEXTS)
    assert [prediction.tags for prediction in found] == [prediction.tags for prediction in expected]
    equal_but_for_near_ties(tagger, TEXTS, found, expected)
    assert len(found[-1].words) > 64  # several windows


@pytest.mark.parametrize("name", RUNTIMES)
@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.sampled_from(TEXTS) | st.text(max_size=40), min_size=1, max_size=6), data=st.data())
def test_order_company_and_batches_change_nothing(taggers, name, texts, data):
    tagger = taggers[name]
    expected = tagger.predict(texts)
    equal_but_for_near_ties(tagger, texts, [tagger.predict([text])[0] for text in texts], expected)
    order = data.draw(st.permutations(range(len(texts))))
    found = tagger.predict([texts[place] for place in order])
    equal_but_for_near_ties(
        tagger, texts, [found[order.index(place)] for place in range(len(texts))], expected
    )


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_same_texts_twice_give_the_same_bytes(taggers, load, name):
    first = taggers[name].predict(TEXTS)
    assert taggers[name].predict(TEXTS) == first
    assert load(name).predict(TEXTS) == first


@pytest.mark.parametrize("name", RUNTIMES)
def test_two_threads_answer_as_one(load, name, monkeypatch):
    answers = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        tagger = load(name)
        answers.append(tagger.predict(TEXTS))
        assert tagger.predict(TEXTS) == answers[-1]
    equal_but_for_near_ties(tagger, TEXTS, *answers)


@pytest.mark.parametrize("name", RUNTIMES)
def test_logits_outlive_the_next_call_and_inputs_are_left_alone(taggers, name):
    runtime = taggers[name].runtime
    ids, mask = np.arange(1, 13).reshape(2, 6), np.array([[1] * 6, [1, 1, 1, 0, 0, 0]])
    given = ids.copy(), mask.copy()
    first = runtime.logits(ids, mask)
    kept = first.copy()
    assert (first.dtype, first.shape) == (np.float32, (2, 6, 13))
    runtime.logits(ids[::-1].copy(), mask)
    runtime.logits(ids + 1, mask)
    assert np.array_equal(first, kept)
    assert np.array_equal(ids, given[0])
    assert np.array_equal(mask, given[1])
    expected = taggers["torch"].runtime.logits(ids, mask)
    assert np.abs(first - expected)[mask == 1].max() < 1e-4


@pytest.mark.parametrize("name", RUNTIMES)
def test_several_threads_may_ask_at_once(taggers, name):
    from concurrent.futures import ThreadPoolExecutor

    runtime = taggers[name].runtime
    rows = [np.arange(1, 2 + width)[None] for width in range(1, 9)] * 4
    expected = [runtime.logits(row, np.ones_like(row)) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: runtime.logits(row, np.ones_like(row)), rows))
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


SIGNALLED = """
import gc, os, signal, sys
import tagwright as tw
for _ in range(2):
    first, second = tw.Tagger.load(sys.argv[1]), tw.Tagger.load(sys.argv[1])
    del first
    gc.collect()
    del second
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("heard")
"""


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_signal_is_heard_after_taggers_have_gone(folders, name):
    command = [sys.executable, "-c", SIGNALLED, folders[name]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "heard\n")


LEAN = """
import json, sys

REFUSED = {"torch", "transformers", "datasets", "scipy", "sklearn", "pandas", "onnx", "nncf"}

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is not there", name=name)

sys.meta_path.insert(0, Refused())
import tagwright as tw
tagger = tw.Tagger.load(sys.argv[1])
runtime = tagger.runtime
print(json.dumps([runtime.name, [[entity.label, entity.start, entity.end] for entity in tagger(sys.argv[2])]]))
"""


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_export_answers_without_torch_silently_and_leaves_nothing_behind(folders, taggers, name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LEAN, folders[name], TEXT],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)[0] == name
    if name == "onnx":  # OpenVINO chooses bf16 where it is fast
        expected = [[entity.label, entity.start, entity.end] for entity in taggers["torch"](TEXT)]
        assert json.loads(done.stdout)[1] == expected
    assert list(tmp_path.iterdir()) == []
