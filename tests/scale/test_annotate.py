"""`annotate` in one process: what it writes, what it takes up again, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")
pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

import tagwright as tw
from tagwright.errors import InputError, RunError
from tagwright.scale import tagging
from tagwright.scale.cluster import Cluster
from tagwright.scale.lock import FileLock
from tagwright.scale.output import Output
from tagwright.scale.places import Place
from tests.models import tiny_bundle
from tests.scale.corpora import Here, check_output, files_of, write_corpus

ROWS = 4000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "in", ROWS // 2)


@pytest.fixture(scope="module")
def whole(bundle, corpus, tmp_path_factory) -> Path:
    """What an unbroken run writes."""
    out = tmp_path_factory.mktemp("outputs") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tagwright.scale.annotate.Cluster", Here)
        patch.setenv("OMP_NUM_THREADS", "1")
        done = annotate(bundle, corpus, out)
    assert (done.fragments, done.done_before, done.counts.rows) == (4, 0, ROWS)
    return out


@pytest.fixture(autouse=True)
def here(monkeypatch) -> None:
    monkeypatch.setattr("tagwright.scale.annotate.Cluster", Here)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which a worker sets


def annotate(bundle: Path, source: Any, out: Any, **options: Any) -> Any:
    return tw.annotate(bundle, source, out, **{"fragment_rows": 1024, "precision": "fp32", **options})


class Stopped(BaseException):
    """A death that no worker survives."""


def dying(monkeypatch: pytest.MonkeyPatch, when: Callable[[int, int], BaseException | None]) -> None:
    """Let the tagging of a fragment raise what `when(number, chunk)` gives."""
    real = tagging.tag_fragment

    def tag(tagger: Any, fragment: Any, job: Any, source: Any, out: Any, rejects: Any, *, alive: Any) -> Any:
        chunks = iter(range(1000))

        def watched() -> None:
            alive()
            if error := when(fragment.number, next(chunks)):
                raise error

        return real(tagger, fragment, job, source, out, rejects, alive=watched)

    monkeypatch.setattr(tagging, "tag_fragment", tag)


def test_a_corpus_is_tagged_and_the_manifest_is_true(whole):
    manifest = check_output(whole, ROWS)

    assert manifest["counts"]["words"] > ROWS
    assert manifest["counts"]["first_reject"].startswith(str(manifest["fragments"][0]["input"]) + ":17: ")
    assert [(entry["number"], entry["first"]) for entry in manifest["fragments"]] == [
        (0, 0),
        (1, 1024),
        (2, 0),
        (3, 1024),
    ]


def test_a_finished_folder_is_left_as_it_is(bundle, corpus, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}

    done = annotate(bundle, corpus, whole)

    assert done.was_finished
    assert done.counts.rows == ROWS
    assert done.to_dict()["words"] == done.counts.words > 0
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_a_stopped_run_goes_on_and_writes_the_same_bytes(bundle, corpus, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        dying(patch, lambda number, chunk: KeyboardInterrupt() if number == 2 else None)
        with pytest.raises(KeyboardInterrupt, match=r"2 of 4 fragments are done; give the same call again"):
            annotate(bundle, corpus, out)
    assert not (out / "_manifest.json").exists()

    begun: list[int] = []
    dying(monkeypatch, lambda number, chunk: begun.append(number))  # type: ignore[func-returns-value]
    done = annotate(bundle, corpus, out, actors=1)

    assert set(begun) == {2, 3}
    assert done.done_before == 2
    assert files_of(out) == files_of(whole)
    check_output(out, ROWS)


def test_fragments_that_fail_are_told_after_the_others_are_done(bundle, corpus, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    failure = RunError("the file is damaged", where="1.jsonl", mend="copy it again")
    with monkeypatch.context() as patch:
        dying(patch, lambda number, chunk: failure if number == 1 else None)
        with pytest.raises(RunError) as raised:
            annotate(bundle, corpus, out)
    said = (
        "fragment 1 failed: 1.jsonl: the file is damaged; copy it again; 3 of 4 fragments are done; the same"
    )
    assert f"{out}: {said}" in str(raised.value)

    annotate(bundle, corpus, out)

    assert files_of(out) == files_of(whole)


def test_an_unknown_error_is_one_of_a_fragment(bundle, corpus, tmp_path, monkeypatch):
    dying(monkeypatch, lambda number, chunk: ZeroDivisionError("x") if number else None)

    with pytest.raises(
        RunError, match=r"3 fragments failed \(1, 2, 3\); the first: internal error: ZeroDivision"
    ):
        annotate(bundle, corpus, tmp_path / "out")


def test_a_fragment_that_kills_its_worker_three_times_is_named(bundle, corpus, tmp_path, monkeypatch):
    class Reviving(Here):
        """Begins a fragment again when its worker has died, as Ray does."""

        def tag(self, task: Any, fragments: Any, **options: Any) -> Any:
            for fragment in fragments:
                while True:
                    try:
                        yield from super().tag(task, [fragment], **options)
                        break
                    except SystemExit:
                        deaths.append(fragment.number)

    deaths: list[int] = []
    monkeypatch.setattr("tagwright.scale.annotate.Cluster", Reviving)
    dying(monkeypatch, lambda number, chunk: SystemExit() if number == 2 else None)

    with pytest.raises(
        RunError, match=r"fragment 2 failed: .*1\.jsonl from row 1: its worker died 3 times; see the"
    ):
        annotate(bundle, corpus, tmp_path / "out")

    assert deaths == [2, 2, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fragment_rows": 2048}, "--fragment-rows was 1024 when the run was begun, and is 2048"),
        ({"precision": "auto"}, '--precision was "fp32"'),
        ({"where": "id > 3"}, '--where was null when the run was begun, and is "id > 3"'),
        ({"columns": ["id"]}, "--columns"),
        ({"into": "found"}, "--into"),
        ({"limit": 5}, "--limit"),
        ({"min_score": 0.5}, "--min-score"),
        ({"to": "jsonl"}, "--to"),
        ({"cores": 2}, "--cores"),
    ],
)
def test_a_call_that_would_give_other_bytes_is_refused(bundle, corpus, whole, change, said):
    with pytest.raises(InputError, match="begin anew with --overwrite, or name another folder") as raised:
        annotate(bundle, corpus, whole, **change)

    assert said in str(raised.value)


def test_an_input_or_a_bundle_that_has_changed_is_refused(bundle, corpus, tmp_path, monkeypatch):
    own, other, out = tmp_path / "in", tmp_path / "bundle", tmp_path / "out"
    shutil.copytree(corpus, own)
    shutil.copytree(bundle, other)
    with monkeypatch.context() as patch:
        dying(patch, lambda number, chunk: KeyboardInterrupt() if number == 1 else None)
        with pytest.raises(KeyboardInterrupt):
            annotate(other, own, out)
    config = (other / "config.json").read_bytes()
    (other / "config.json").write_bytes(config + b"\n")
    with pytest.raises(InputError, match=r"config\.json of the bundle is not the one"):
        annotate(other, own, out)
    (other / "config.json").write_bytes(config)
    with (own / "1.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match=r"1\.jsonl: the file has changed since the run was begun"):
        annotate(other, own, out)

    done = annotate(other, own, out, overwrite=True)

    assert done.done_before == 0
    check_output(out, ROWS)


def test_another_call_replaces_what_there_is_where_that_is_asked_for(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole, out)

    annotate(bundle, corpus, out, to="jsonl", fragment_rows=2048, limit=100, overwrite=True)

    assert sorted(files_of(out)) == ["_rejects/part-000000.jsonl", "part-000000.jsonl"]


def test_a_finished_folder_that_lacks_a_file_is_refused(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    (out / "part-000001.parquet").unlink()

    with pytest.raises(
        RunError, match=r"part-000001\.parquet is not there; bring the file back, or begin anew"
    ):
        annotate(bundle, corpus, out)


def test_what_a_run_left_that_was_cut_off_at_its_last_step_is_removed(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    (out / "_running" / "done").mkdir(parents=True)

    assert annotate(bundle, corpus, out).was_finished
    assert not (out / "_running").exists()


def test_two_runs_into_one_folder_are_refused(bundle, corpus, tmp_path):
    lock = FileLock(Output(Place.of(tmp_path / "out"), "parquet"))

    with pytest.raises(RunError, match="another run is writing it by process"):
        annotate(bundle, corpus, tmp_path / "out")

    lock.release()


def test_wrong_folders_are_refused_and_nothing_is_made(bundle, corpus, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds something else \(thesis.tex\)"):
        annotate(bundle, corpus, other)
    with pytest.raises(InputError, match="the output lies in the input"):
        annotate(bundle, corpus, corpus / "out")
    with pytest.raises(InputError, match="the input lies in the output"):
        annotate(bundle, corpus, corpus.parent)
    with pytest.raises(InputError, match="the output is the input"):
        annotate(bundle, corpus, corpus)
    with pytest.raises(InputError, match="nowhere"):
        annotate(bundle, tmp_path / "nowhere", tmp_path / "out")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"actors": 0}, "--actors is 0"),
        ({"cores": 0}, "--cores is 0"),
        ({"limit": 0}, "--limit is 0"),
        ({"fragment_rows": 1000}, "give a multiple of 1024"),
        ({"to": "csv"}, "parquet or jsonl"),
        ({"runtime": "tf"}, "tf"),
        ({"runtime": "onnx"}, "export"),
        ({"precision": "fp8"}, "fp8"),
        ({"min_score": 2.0}, "2"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_begun(bundle, corpus, tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        annotate(bundle, corpus, tmp_path / "out", **options)

    assert list(tmp_path.iterdir()) == []


def test_steps_are_told(bundle, corpus, tmp_path):
    steps: list[Any] = []

    annotate(bundle, corpus, tmp_path / "out", watch=steps.append)

    assert [(step.done, step.now, step.fragments) for step in steps] == [
        (number, number, 4) for number in range(5)
    ]
    assert steps[-1].counts.rows == ROWS
    assert steps[-1].words == steps[-1].counts.words > 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "127.0.0.1:1",
            r"--address 127\.0\.0\.1:1: no Ray cluster answers: Connection refused; start one with",
        ),
        ("127.0.0.1:99999", "no Ray cluster answers"),
        (
            "ray://127.0.0.1:1",
            "Ray's client does not carry Ray Data; run the command on a machine of the cluster",
        ),
    ],
)
def test_an_address_at_which_nobody_listens_is_refused_and_nothing_is_made(
    bundle, corpus, tmp_path, monkeypatch, address, said
):
    monkeypatch.setattr("tagwright.scale.annotate.Cluster", Cluster)

    with pytest.raises(InputError, match=said):
        annotate(bundle, corpus, tmp_path / "out", address=address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(InputError, match=said.replace("--address", "RAY_ADDRESS")):
        annotate(bundle, corpus, tmp_path / "out")

    assert not (tmp_path / "out").exists()
