"""Work beside reading and writing: the same results, in order, and no thread left behind."""

import io
import json
import threading
import time

import pytest

from tagwright.errors import InputError, RunError
from tagwright.predict.files import predict_lines
from tagwright.predict.pipeline import Stoppable, overlap_pays, overlapped
from tagwright.predict.readers import read_lines
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import format_named
from tests.models import TEXT, tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("pipeline") / "run")


@pytest.fixture
def tagger(bundle):
    return Tagger.load(bundle, precision="fp32", device="cpu")


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield  # libraries that load models have threads of their own, which end when they like
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tagwright")]


def doubled(item, stop):
    return 2 * item


def test_results_come_in_order_with_their_items():
    assert list(overlapped(range(100), doubled)) == [(item, 2 * item) for item in range(100)]
    assert list(overlapped([], doubled)) == []


def test_work_runs_in_one_other_thread_while_items_are_read():
    threads, read = set(), []

    def work(item, stop):
        threads.add(threading.current_thread())
        return len(read)

    def items():
        for item in range(20):
            assert threading.current_thread() is threading.main_thread()
            read.append(item)
            yield item

    ahead = []
    for item, _ in overlapped(items(), work):
        ahead.append(len(read) - item)
    assert max(ahead) == 2
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_an_error_of_the_work_comes_in_its_place():
    def work(item, stop):
        if item == 5:
            raise ValueError("five")
        return item

    stream = overlapped(range(10), work)
    assert [next(stream)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(stream)


def test_an_error_of_the_source_comes_behind_what_was_read():
    def items():
        yield from range(5)
        raise OSError("unplugged")

    stream = overlapped(items(), doubled)
    assert [next(stream)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="unplugged"):
        next(stream)


def test_closing_stops_work_that_asks():
    started = threading.Event()

    def work(item, stop):
        if item == 0:
            return
        started.set()
        assert stop.wait(60)

    stream = overlapped(range(5), work)
    next(stream)
    started.wait(60)
    stream.close()


def test_a_stopped_runtime_computes_no_more(tagger):
    stop = threading.Event()
    runtime = Stoppable(tagger.runtime, stop)
    assert (runtime.name, runtime.precision, runtime.device) == ("torch", "fp32", "cpu")
    prepared = tagger.prepare([tagger.split(TEXT)])
    assert tagger.compute(prepared, runtime=runtime).ids.tolist() == tagger.compute(prepared).ids.tolist()
    stop.set()
    with pytest.raises(RunError, match="the run has ended"):
        tagger.compute(prepared, runtime=runtime)


def test_on_the_processor_it_does_not_pay(tagger):
    assert not overlap_pays(tagger.runtime)
    tagger.runtime.device = "cuda:0"
    assert overlap_pays(tagger.runtime)


DATA = (
    b"".join(b"\xff\n" if number % 17 == 3 else TEXT[number:].encode() + b"\n" for number in range(60))
    + b"the " * 100
)


def predict(tagger, source, **options):
    out, rejects = io.BytesIO(), io.BytesIO()
    error = summary = None
    try:
        summary = predict_lines(
            tagger,
            read_lines(source, "f", "text"),
            out,
            form=format_named("jsonl"),
            rejects=rejects,
            chunk=7,
            **options,
        )
    except (RunError, OSError, KeyboardInterrupt) as raised:
        error = f"{type(raised).__name__}: {raised}"
    return out.getvalue(), rejects.getvalue(), summary, error


@pytest.mark.parametrize("overflow", ["window", "error", "truncate"])
@pytest.mark.parametrize("min_score", [0.0, 0.5])
def test_the_same_bytes_and_counts(tmp_path, overflow, min_score):
    folder = tiny_bundle(tmp_path / "run", on_overflow=overflow)
    tagger = Tagger.load(folder, precision="fp32", device="cpu", min_score=min_score)
    plain = predict(tagger, io.BytesIO(DATA))
    assert predict(tagger, io.BytesIO(DATA), overlap=True) == plain
    assert plain[2].lines == 61
    assert (plain[2].dropped_entities > 0) == bool(min_score)


def test_input_that_breaks_off_loses_nothing_before(tagger):
    def source():
        yield from DATA.splitlines(keepends=True)[:20]
        raise RunError("the packed data ends early")

    plain, beside = (predict(tagger, source(), overlap=overlap) for overlap in (False, True))
    assert plain == beside
    assert plain[0].count(b"\n") + plain[1].count(b"\n") == 20
    assert "ends early" in plain[3]


def test_an_interrupt_while_reading_leaves_whole_chunks(tagger):
    def source():
        yield from [b"Jeff\n"] * 40
        raise KeyboardInterrupt

    out, _, _, error = predict(tagger, source(), overlap=True)
    done = [json.loads(line)["line"] for line in out.splitlines()]
    assert done == list(range(1, len(done) + 1))
    assert len(done) % 7 == 0
    assert error == f"KeyboardInterrupt: stopped after {len(done)} lines"


def test_an_error_of_the_model_ends_the_run_with_what_was_done(tagger, monkeypatch):
    logits, calls = tagger.runtime.logits, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) > 3:
            raise RunError("the device is gone")
        return logits(*arguments)

    monkeypatch.setattr(tagger.runtime, "logits", failing)
    out, _, _, error = predict(tagger, io.BytesIO(b"Jeff\n" * 40), overlap=True)
    assert (out.count(b"\n"), error) == (21, "RunError: the device is gone")


def test_a_writer_that_fails_stops_the_model(tagger, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError("no space left")

    logits = tagger.runtime.logits

    def slow(*arguments):
        time.sleep(0.01)
        return logits(*arguments)

    monkeypatch.setattr(tagger.runtime, "logits", slow)
    with pytest.raises(OSError, match="no space left"):
        predict_lines(
            tagger,
            read_lines(io.BytesIO(b"Jeff\n" * 40), "f", "text"),
            Full(),
            form=format_named("label-studio"),
            chunk=2,
            overlap=True,
        )


def test_streams_overlap_where_it_pays(tagger, monkeypatch):
    texts = [TEXT[start:] for start in range(90)]
    monkeypatch.setattr("tagwright.predict.chunks.CHUNK_TEXTS", 8)
    expected = tagger.predict(texts)
    monkeypatch.setattr(tagger.runtime, "device", "cuda")
    assert tagger.predict(texts) == expected
    stream = tagger.stream(texts)
    assert next(stream) == expected[0]
    assert threading.active_count() > 1
    stream.close()
    with pytest.raises(InputError, match="text 3 is int"):
        list(tagger.stream(["a", "b", 3]))
