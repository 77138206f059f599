"""What the input is made of: files, folders, patterns, data sets of `datasets`, and what is refused."""

import gzip
import json
import pickle
from dataclasses import replace

import pytest

from tagwright.errors import InputError
from tagwright.scale.fragment import Job
from tagwright.scale.hub import hub_address, hub_splits
from tagwright.scale.places import Place
from tagwright.scale.plan import make_plan
from tagwright.scale.reading import read_chunks
from tagwright.scale.sources import find_files
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
        (("a.conllu",), "the file is CoNLL-U, with the words in its second column; make it CoNLL: cut -f2"),
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


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("x.annotated", "Jeff\tB-person\nleft\tO\n\nhere\tO\n", "conll"),
        ("train.txt", "-DOCSTART- -X- O O\n\n# id = 7\nJeff NNP B-NP B-PER\r\nleft VBD B-VP O\r\n", "conll"),
        ("x", "Vitamin O\nis no vitamin\n", "text"),
        ("x.txt", "Blood of type O", "text"),
        ("x.md", "# O\n", "text"),
        ("x.log", '{"text": "a"}\nnot JSON\n', "jsonl"),
        ("x", '{"text": "%s"}' % ("a " * 40_000), "jsonl"),
        ("x", "{a: 1}\n", "text"),
        ("x.tsv", "Jeff\tPER\n\nleft\tO\n", "conll"),
        ("x.tsv", "Jeff\nleft\n", "conll"),
        ("x.tsv", "", "conll"),
        ("x.json", '{"text": "a"}\nnot JSON\n', "jsonl"),
        ("x.conll", "whatever", "conll"),
        ("x.txt", "", "text"),
    ],
)
def test_content_tells_a_format_that_no_ending_tells(tmp_path, name, text, kind):
    put(tmp_path, name, text=text)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    for source in (tmp_path, tmp_path / name, tmp_path / f"{name}.gz"):
        found = find_files(Place.of(source))
        assert found.kind == kind
        assert ("by content" in "".join(found.notices)) == (
            kind != "text" and name[1:] in (".annotated", "", "rain.txt", ".log")
        )


def test_one_file_of_an_ending_tells_what_the_others_are(tmp_path):
    for number in range(3):
        put(tmp_path, f"part.{number}", text="Jeff O\nleft O\n" if number else "")
    found = find_files(Place.of(tmp_path))
    assert [file.kind for file in found.files] == ["conll"] * 3
    assert found.notices == [f"{tmp_path}: read as CoNLL, by content: part.0, part.1, part.2"]
    job = Job(str(tmp_path))
    assert len(make_plan(Place.of(tmp_path), job, fragment_rows=1024).fragments) == 2
    put(tmp_path, "part.2", text="a text\n")
    with pytest.raises(InputError, match=r"part.2: by its lines the file is text, and others .* are CoNLL"):
        make_plan(Place.of(tmp_path), job, fragment_rows=1024)
    put(tmp_path, "part.0", text="a text\n")
    with pytest.raises(InputError, match=r"part.1: by its lines the file is CoNLL, and others .* are text"):
        make_plan(Place.of(tmp_path), job, fragment_rows=1024)


def test_a_table_between_tabs_is_no_conll(tmp_path):
    put(tmp_path, "a.tsv", text="id\ttext\n1\tJeff left\n")
    with pytest.raises(InputError, match="the file is a table of values between tabs; make it Parquet"):
        find_files(Place.of(tmp_path / "a.tsv"))


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


def test_splits_of_the_hub_by_the_names_of_files():
    files = {
        "datasets/o/n/data/train-00000-of-00002.parquet": "train",
        "datasets/o/n/data/train-00001-of-00002-0a1b2c3d4e5f6071.parquet": "train",
        "datasets/o/n/en.old/test_2.a-00000-of-00001.parquet": "test_2.a",
        "datasets/o/n@refs/convert/parquet/default/partial-train/0000.parquet": "train",
        "datasets/o/n@refs%2Fconvert%2Fparquet/default/validation/0012.parquet": "validation",
        "datasets/o/n/dev.parquet": "validation",
    }
    assert hub_splits(list(files)) == list(files.values())
    for other in ("datasets/o/n/2024/0000.parquet", "datasets/o/n/wiki.parquet"):
        assert hub_splits([*files, other]) is None


def test_a_repository_of_the_hub_is_its_parquet(tmp_path):
    """A folder behind fsspec stands in for the network."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    put(tmp_path, "README.md", "data/extra.csv", ".gitattributes")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "data" / "train-00000-of-00001.parquet")
    fs = PyFileSystem(FSSpecHandler(fsspec.filesystem("dir", path=str(tmp_path), target_protocol="file")))
    found = find_files(Place(fs, "", "hf://datasets/owner/name"))
    assert [(file.path, file.added) for file in found.files] == [
        ("data/train-00000-of-00001.parquet", (("split", "train"),))
    ]
    (tmp_path / "data" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(
        InputError, match=r"no Parquet in the repository.*try the revision refs/convert/parquet"
    ):
        find_files(Place(fs, "", "hf://datasets/owner/name"))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "jsonl.gz", "conll", "parquet", "arrow"])
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
            form = {"txt": "{}\n", "conll": "{}\tO\n\n"}.get(kind, '{{"text": "{}"}}\n')
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
            [
                line.words or line.text
                for rows in read_chunks(fragment, near_job, place)
                for line in rows.lines
            ]
            for place, plan in ((Place(fs, "data", "x://data"), far), (Place.of(tmp_path / "data"), near))
            for fragment in plan.fragments
        ]
        assert read[: len(read) // 2] == read[len(read) // 2 :]
        assert sum(len(part) for part in read) == 12_000 or far.fragments[-1].take
