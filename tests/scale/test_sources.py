"""What the input is made of: files, folders, patterns, data sets of `datasets`, and what is refused."""

import gzip
import json
import pickle
from dataclasses import replace

import pytest

from tagwright.errors import InputError
from tagwright.scale.fragment import Job
from tagwright.scale.places import Place
from tagwright.scale.plan import make_plan
from tagwright.scale.reading import read_chunks
from tagwright.scale.sources import find_files, hub_address
from tests.scale.whole import pa, pq


def names(folder, source=None):
    found = find_files(Place.of(str(source or folder)))
    return [file.path.removeprefix(f"{folder}/") for file in found.files]


def put(folder, *paths, text="x\n"):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_folders_are_read_by_name_at_any_depth(tmp_path):
    put(
        tmp_path,
        "b.txt",
        "a/z.txt",
        "a/b/c.txt.gz",
        "part-0",
        "_manifest.json",
        "_running/x.txt",
        ".hidden",
        "a/.x/y",
    )
    assert names(tmp_path) == ["a/b/c.txt.gz", "a/z.txt", "b.txt", "part-0"]


def test_patterns(tmp_path):
    put(tmp_path, "a.txt", "b.txt", "c.jsonl", "d/e.txt", "d/f/g.txt", "h[1].txt")
    assert names(tmp_path, tmp_path / "*.txt") == ["a.txt", "b.txt", "h[1].txt"]
    assert names(tmp_path, tmp_path / "**" / "*.txt") == [
        "a.txt",
        "b.txt",
        "d/e.txt",
        "d/f/g.txt",
        "h[1].txt",
    ]
    assert names(tmp_path, tmp_path / "d" / "**") == ["d/e.txt", "d/f/g.txt"]
    assert names(tmp_path, tmp_path / "[!a].t?t") == ["b.txt"]
    assert names(tmp_path, tmp_path / "h[1].txt") == ["h[1].txt"]  # a file of that very name
    with pytest.raises(InputError, match="no file is of that name"):
        names(tmp_path, tmp_path / "*.parquet")
    with pytest.raises(InputError, match="nothing is of that name"):
        names(tmp_path, tmp_path / "nowhere" / "*")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), "there is no file in the folder"),
        (("_x", ".y"), "there is no file in the folder"),
        (("README.md",), "there is no data, only README.md"),
        (("a.txt", "b.jsonl"), r"several formats: text \(a.txt\), jsonl \(b.jsonl\)"),
        (("a.txt", "b.csv"), "the file is CSV; make it Parquet: duckdb"),
        (("a.conll",), "tag it with tagwright predict"),
        (("a.json",), "JSON that is one document; write one object a line"),
        (("a.tar.gz",), "the file is a tar archive"),
    ],
)
def test_what_is_refused(tmp_path, paths, message):
    with pytest.raises(InputError, match=message):
        find_files(Place.of(put(tmp_path, *paths)))


def test_what_is_nowhere(tmp_path):
    with pytest.raises(InputError, match="there is no such file or folder"):
        find_files(Place.of(tmp_path / "nowhere"))


def test_a_link_that_leads_nowhere_is_no_reason_to_lose_a_file(tmp_path):
    put(tmp_path, "a.txt")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(InputError, match=r"b\.txt: it is no file"):
        find_files(Place.of(tmp_path))


def test_what_lies_beside_data_is_passed_over_with_a_notice(tmp_path):
    put(tmp_path, "a.txt", "README.md", "LICENSE", "SHA256SUMS")
    found = find_files(Place.of(tmp_path))
    assert (len(found.files), found.notices) == (
        1,
        [f"{tmp_path}: passed over: LICENSE, README.md, SHA256SUMS"],
    )


def test_a_single_file_is_what_its_content_says(tmp_path):
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "data")
    assert find_files(Place.of(tmp_path / "data")).kind == "parquet"
    put(tmp_path, "lines.json", text='{"text": "a"}\n{"text": "b"}\n')
    assert find_files(Place.of(tmp_path / "lines.json")).kind == "jsonl"


def test_partitions(tmp_path):
    put(
        tmp_path,
        "year=2024/lang=de%2Fat/a.parquet",
        "year=__HIVE_DEFAULT_PARTITION__/lang=x/b.parquet",
        "_k=1/c.parquet",
    )
    added = [file.added for file in find_files(Place.of(tmp_path)).files]
    assert added == [
        (("_k", "1"),),
        (("year", "2024"), ("lang", "de/at")),
        (("year", None), ("lang", "x")),
    ]


def test_saved_datasets(tmp_path):
    datasets = pytest.importorskip("datasets", reason="save_to_disk needs datasets")
    one = datasets.Dataset.from_dict({"text": ["a", "b", "c"]})
    one.save_to_disk(tmp_path / "one", num_shards=2)
    assert names(tmp_path / "one") == ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp_path / "two")
    files = find_files(Place.of(tmp_path / "two")).files
    assert [file.added for file in files] == [(("split", "train"),), (("split", "test"),)]
    (tmp_path / "one" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match="the file is missing"):
        find_files(Place.of(tmp_path / "one"))
    (tmp_path / "one" / "state.json").write_text(json.dumps({"_data_files": 7}))
    with pytest.raises(InputError, match="the file is damaged"):
        find_files(Place.of(tmp_path / "one"))


def test_addresses_of_the_hub():
    assert hub_address("hub:owner/name") == "hf://datasets/owner/name"
    assert (
        hub_address("hub:owner/name@refs/convert/parquet")
        == "hf://datasets/owner/name@refs%2Fconvert%2Fparquet"
    )
    with pytest.raises(InputError, match="is no dataset of the Hub"):
        hub_address("hub:name")


def test_a_repository_of_the_hub_is_its_parquet(tmp_path):
    """A folder behind fsspec stands in for the network."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    put(tmp_path, "README.md", "data/extra.csv", ".gitattributes")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "data" / "train-00000-of-00001.parquet")
    fs = PyFileSystem(FSSpecHandler(fsspec.filesystem("dir", path=str(tmp_path), target_protocol="file")))
    found = find_files(Place(fs, "", "hf://datasets/owner/name"))
    assert [file.path for file in found.files] == ["data/train-00000-of-00001.parquet"]
    (tmp_path / "data" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(
        InputError, match=r"no Parquet in the repository.*try the revision refs/convert/parquet"
    ):
        find_files(Place(fs, "", "hf://datasets/owner/name"))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "jsonl.gz", "parquet", "arrow"])
def test_files_behind_fsspec_are_planned_and_read_like_those_on_disk(tmp_path, kind):
    """As `hf://` is; a plan's work may be sent to another process."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    table = pa.table({"text": [f"text {row}" for row in range(3000)]})
    for name in "ab":
        path = tmp_path / "data" / f"{name}.{kind}"
        path.parent.mkdir(exist_ok=True)
        if kind == "parquet":
            pq.write_table(table, path)
        elif kind == "arrow":
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table, max_chunksize=1000)
        else:
            form = '{{"text": "{}"}}\n' if kind.startswith("jsonl") else "{}\n"
            data = "".join(form.format(text) for text in table["text"].to_pylist()).encode()
            path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    fs = PyFileSystem(FSSpecHandler(fsspec.filesystem("dir", path=str(tmp_path), target_protocol="file")))
    job = Job("data")

    def elsewhere(function, items):
        return [pickle.loads(pickle.dumps(function))(item) for item in items]

    plans = [
        make_plan(place, job, fragment_rows=1024, limit=limit, map_files=way)
        for place, way in ((Place(fs, "data", "x://data"), elsewhere), (Place.of(tmp_path / "data"), map))
        for limit in (None, 3500)
    ]
    assert [one.schema for one in plans[:2]] == [one.schema for one in plans[2:]]
    for far, near in zip(plans[:2], plans[2:], strict=True):
        near_job = replace(job, schema=near.schema)
        read = [
            [line.text for rows in read_chunks(fragment, near_job, place) for line in rows.lines]
            for place, plan in ((Place(fs, "data", "x://data"), far), (Place.of(tmp_path / "data"), near))
            for fragment in plan.fragments
        ]
        assert read[: len(read) // 2] == read[len(read) // 2 :]
        assert sum(len(part) for part in read) == 12_000 or far.fragments[-1].take
