"""Columns, conditions, limits and schemas: what is planned, and what of it is written."""

import datetime
import decimal
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError, RunError
from tagwright.predict.tagger import Tagger
from tagwright.scale.fragment import Job
from tagwright.scale.places import Place
from tagwright.scale.plan import Plan, make_plan
from tests.models import TEXT, tiny_bundle
from tests.scale.whole import annotate, pa, pq

duckdb = pytest.importorskip("duckdb", reason="--where needs duckdb: pip install 'tagwright[scale]'")

WORDS = TEXT.split()


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(tiny_bundle(tmp_path_factory.mktemp("bundle") / "run"), precision="fp32", device="cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """2,500 rows of Parquet; `n` is null in every tenth, `lang` is a dictionary."""
    path = tmp_path_factory.mktemp("corpus") / "a.parquet"
    rows = range(2500)
    table = pa.table(
        {
            "n": [None if row % 10 == 3 else row for row in rows],
            "text": [WORDS[row % len(WORDS)] for row in rows],
            "lang": pa.array([("en", "de", "fr")[row % 3] for row in rows]).dictionary_encode(),
            "a.b": [{"k": [row]} for row in rows],
        }
    )
    pq.write_table(table, path, row_group_size=700)
    return path


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


# Conditions and limits


CONDITIONS = st.sampled_from(
    [
        "lang = 'de'",
        "n > 1700",
        "n is null",
        "n % 7 = 1 or lang <> 'en'",
        '"a.b".k[1] between 1000 and 1100',
        "LANG in ('en', 'fr') and not n < 2000",
        "n * n > 4000000 and text like '%e%'",
        "true",
        "false",
        "null",
    ]
)


@settings(max_examples=14, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    condition=CONDITIONS,
    limit=st.sampled_from([None, 1, 300, 1024, 5000]),
    rows=st.sampled_from([1024, 4096]),
)
def test_conditions_and_limits_are_those_of_sql_over_the_whole(tagger, corpus, condition, limit, rows):
    done = annotate(tagger, corpus, where=condition, limit=limit, rows=rows, columns=("n", "text"))
    found = duckdb.connect().execute(f"select n, text from '{corpus}' where {condition}").fetchall()
    assert [(row["n"], row["text"]) for row in done.rows] == found[:limit]


def test_a_limit_reads_no_more_than_it_needs(corpus):
    def plan(**kwargs):
        job = Job(str(corpus), where=kwargs.pop("where", None))
        return make_plan(Place.of(corpus), job, fragment_rows=1024, **kwargs).fragments

    assert [(one.first, one.rows, one.take) for one in plan(limit=1100)] == [
        (0, 1024, None),
        (1024, 1024, 76),
    ]
    assert [one.take for one in plan(limit=1024)] == [None]
    assert [one.take for one in plan(limit=20, where="n >= 1500")] == [None, 20]
    assert [one.take for one in plan(limit=99_999)] == [None, None, None]


@pytest.mark.parametrize("ending", ["txt", "jsonl"])
def test_a_limit_over_files_of_lines(tagger, tmp_path, ending):
    for name in "abc":
        lines = [
            json.dumps({"text": f"{name}{row}"}) if ending == "jsonl" else f"{name}{row}"
            for row in range(1200)
        ]
        blank = "\n" * 3000 if ending == "jsonl" else ""
        (tmp_path / f"{name}.{ending}").write_text(blank + "\n".join(lines) + "\n")
    done = annotate(tagger, tmp_path, limit=1500, rows=1024)
    assert [row["text"] for row in done.rows] == [f"a{row}" for row in range(1200)] + [
        f"b{row}" for row in range(300)
    ]
    assert not any(fragment.path.endswith(f"c.{ending}") for fragment in done.plan.fragments)


def test_conditions_on_json_lines(tagger, tmp_path):
    records = [
        '{"text": "a", "n": 1}',
        "{",
        '{"text": "b"}',
        '{"n": 5}',
        '{"text": "d", "n": 7, "x.y\\"": true}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(records))
    done = annotate(tagger, tmp_path / "a.jsonl", where="n > 1 and n < 9")
    assert ([row["text"] for row in done.rows], done.total("left_out")) == (["d"], 2)  # a missing key is null
    assert [bad["line"] for bad in done.rejects] == [2, 4]  # what cannot be read, and what has no text
    assert [row["text"] for row in annotate(tagger, tmp_path / "a.jsonl", where='"x.y""" or n = 1').rows] == [
        "a",
        "d",
    ]
    with pytest.raises(InputError, match=r'Referenced column "m" not found.*the columns are text, n, x\.y"'):
        annotate(tagger, tmp_path / "a.jsonl", where="m > 1")


def test_rows_of_which_a_condition_cannot_be_judged_are_rejects(tagger, tmp_path):
    write(tmp_path / "a.parquet", text=["a", "b", "c", "d"], n=["1", "x", "3", "y"])
    done = annotate(tagger, tmp_path / "a.parquet", where="n::int > 1")
    assert [row["text"] for row in done.rows] == ["c"]
    assert [bad["line"] for bad in done.rejects] == [2, 4]
    assert all(bad["error"].startswith("--where cannot be judged: Conversion Error") for bad in done.rejects)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "the condition is empty"),
        ("nope = 1", 'Referenced column "nope" not found'),
        ("n =", "syntax error"),
        ("lang", "neither true nor false, but VARCHAR"),
        ("n in (select 1)", r"other rows \(SELECT\)"),
        ("exists (from 'x.csv')", r"other rows \(SELECT\)"),
        ("row_number() over () > 1", r"other rows \(OVER\)"),
        ("count(*) > 1", "WHERE clause cannot contain aggregates"),
        ("random() > 0.5", "random answers otherwise each time"),
        ("current_date > date '2020-01-01'", "current_date answers otherwise each time"),
        ("n = ?", "more than a condition"),
        ("true) union select (true", "more than a condition"),
        ("true; drop table input", "syntax error"),
        ("n < 3 limit 1", "syntax error"),
    ],
)
def test_conditions_that_are_refused(corpus, condition, message):
    with pytest.raises(InputError, match=message) as caught:
        make_plan(Place.of(corpus), Job(str(corpus), where=condition), fragment_rows=1024)
    assert "\n" not in str(caught.value)


def test_times_are_judged_in_utc_wherever_the_machine_stands(tagger, tmp_path, monkeypatch):
    noon = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)
    write(tmp_path / "a.parquet", text=["a"], w=pa.array([noon], pa.timestamp("us", "America/New_York")))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert annotate(tagger, tmp_path / "a.parquet", where="hour(w) = 12").total("written") == 1


def test_columns_that_differ_in_case_alone_cannot_be_asked_for(tagger, tmp_path):
    write(tmp_path / "a.parquet", text=["a"], N=[1], n=[2])
    assert annotate(tagger, tmp_path / "a.parquet").table.schema.names == ["text", "N", "n", "entities"]
    with pytest.raises(InputError, match="'N', 'n' differ in case alone"):
        annotate(tagger, tmp_path / "a.parquet", where="n = 1")


# Columns


def test_columns_are_kept_as_they_were(tagger, tmp_path):
    moment = datetime.datetime(2024, 2, 29, 12, 30, 15, 123456)
    columns = {
        "text": pa.array(["Jeff Bezos left", None, "x"], pa.large_string()),
        "small": pa.array([1, None, -3], pa.int8()),
        "unsigned": pa.array([1, 2, (1 << 64) - 1], pa.uint64()),
        "float": pa.array([1.5, float("nan"), None], pa.float32()),
        "day": pa.array([moment.date(), None, moment.date()]),
        "when": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
        "nanos": pa.array([1_700_000_000_123_456_789, None, 5], pa.timestamp("ns")),
        "time": pa.array([moment.time(), None, moment.time()], pa.time64("us")),
        "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal("-2.00")], pa.decimal128(9, 2)),
        "raw": pa.array([b"\x00\xff", None, b""]),
        "kind": pa.array(["a", None, "a"]).dictionary_encode(),
        "nested": pa.array([[{"a": [1, None], "b": "x"}], None, []]),
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(3),
        "sure": pa.array([True, False, True]),
    }
    schema = pa.schema(
        [
            pa.field(
                name,
                values.type,
                nullable=name != "sure",
                metadata={"unit": "x"} if name == "price" else None,
            )
            for name, values in columns.items()
        ],
        metadata={"owner": "us", "pandas": "{}", "huggingface": "{}", "org.apache.spark.version": "3"},
    )
    table = pa.Table.from_arrays(list(columns.values()), schema=schema)
    pq.write_table(table, tmp_path / "a.parquet")
    expected = pq.read_table(tmp_path / "a.parquet").take([0, 2])
    done = annotate(tagger, tmp_path / "a.parquet")
    assert done.table.drop_columns(["entities"]).equals(expected)
    assert done.table.schema.remove(len(columns)).equals(expected.schema)
    assert done.table.schema.metadata == {b"owner": b"us"}
    assert done.table.schema.field("price").metadata[b"unit"] == b"x"
    plain = annotate(tagger, tmp_path / "a.parquet", form="jsonl").rows[0]
    assert (plain["when"], plain["day"], plain["time"]) == (
        "2024-02-29T12:30:15.123456Z",
        "2024-02-29",
        "12:30:15.123456",
    )
    assert (plain["nanos"], plain["price"], plain["raw"]) == ("2023-11-14T22:13:20.123456789", "1.10", "AP8=")
    assert (plain["kind"], plain["nested"], plain["map"]) == ("a", [{"a": [1, None], "b": "x"}], [["k", 1]])


def test_types_that_arrow_hardly_knows(tagger, tmp_path):
    table = pa.table({"text": ["a", None, "c"], "x": pa.array(["1", "2", "3"], pa.string_view())})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    for form in ("parquet", "jsonl"):
        assert [row["x"] for row in annotate(tagger, tmp_path / "a.arrow", form=form).rows] == ["1", "3"]
    odd = pa.table({"text": ["a"], "x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as file, pa.ipc.new_file(file, odd.schema) as writer:
        writer.write_table(odd)
    with pytest.raises(InputError, match=r"the column 'x' cannot be written to Parquet.*--columns"):
        annotate(tagger, tmp_path / "b.arrow")
    with pytest.raises(InputError, match=r"the column 'x' holds month_day_nano_interval.*DuckDB|neither"):
        annotate(tagger, tmp_path / "b.arrow", columns=("text",), where="x")


def test_a_column_that_is_not_utf8_makes_its_rows_rejects(tagger, tmp_path):
    raw = pa.array([b"ok", b"\xff", b"\xc3\xa9"])
    bad = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"text": ["a", "b", "c"], "x": bad}), tmp_path / "a.parquet")
    for form in ("parquet", "jsonl"):
        done = annotate(tagger, tmp_path / "a.parquet", form=form)
        assert [row["x"] for row in done.rows] == ["ok", "é"]
        assert [(one["line"], one["error"]) for one in done.rejects] == [
            (2, "invalid UTF-8 in the column 'x'")
        ]
    assert annotate(tagger, tmp_path / "a.parquet", columns=("text",)).total("written") == 3


def test_columns_to_keep(tagger, corpus):
    assert annotate(tagger, corpus, columns=("lang", "n")).table.schema.names == ["n", "lang", "entities"]
    assert annotate(tagger, corpus, columns=(), limit=5).table.schema.names == ["entities"]
    assert annotate(tagger, corpus, columns=(), limit=5, form="jsonl").total("written") == 5
    with pytest.raises(
        InputError, match=r"no column 'm'; the columns are n, text, lang, a\.b; correct --columns"
    ):
        annotate(tagger, corpus, columns=("m",))
    with pytest.raises(InputError, match=r"has a column 'n' already; name another one .* --into NAME"):
        annotate(tagger, corpus, into="N")
    assert "n" in annotate(tagger, corpus, into="n", columns=("text",), limit=5).table.schema.names
    with pytest.raises(InputError, match=r"no column 'body'.*--field"):
        annotate(tagger, corpus, field="body")


def test_what_was_annotated_can_be_annotated_again(tagger, corpus, tmp_path):
    done = annotate(tagger, corpus, limit=50)
    (tmp_path / "part-000000.parquet").write_bytes(done.files[0])
    with pytest.raises(InputError, match="has a column 'entities' already"):
        annotate(tagger, tmp_path)
    again = annotate(tagger, tmp_path, into="second")
    assert again.table.column("second").to_pylist() == again.table.column("entities").to_pylist()


def test_files_of_several_schemas_become_one(tagger, tmp_path):
    write(tmp_path / "a.parquet", text=["a"], n=pa.array([1], pa.int32()), x=pa.nulls(1))
    write(tmp_path / "b.parquet", n=[1.5], x=["x"], text=["b"])
    write(tmp_path / "c.parquet", text=["c"], n=[1 << 40])
    done = annotate(tagger, tmp_path)
    assert [(row["text"], row["n"], row["x"]) for row in done.rows] == [
        ("a", 1.0, None),
        ("b", 1.5, "x"),
        ("c", float(1 << 40), None),
    ]
    assert len({pq.read_schema(io.BytesIO(data)) for data in done.files}) == 1
    assert done.plan.notices == [f"null where a file lacks the column: 'x' (as in {tmp_path}/c.parquet)"]
    assert annotate(tagger, tmp_path, where="n > 1").total("written") == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1]), pa.array(["x"])),
        (pa.array(["x"]), pa.array([b"x"])),
        (pa.array([[1]]), pa.array([{"a": 1}])),
        (pa.array([{"a": 1}]), pa.array([{"a": "x"}])),
        (pa.array([True]), pa.array([1])),
        (pa.array([datetime.date(2024, 1, 1)]), pa.array([datetime.datetime(2024, 1, 1)])),
    ],
)
def test_files_that_disagree_are_named_with_the_column(tmp_path, one, other):
    write(tmp_path / "a.parquet", text=["a"], ok=[1], x=one)
    write(tmp_path / "b.parquet", text=["a"], ok=[1.0], x=other)
    with pytest.raises(InputError, match=r"b\.parquet: the column 'x' holds .*, and in .*a\.parquet"):
        make_plan(Place.of(tmp_path), Job(str(tmp_path)), fragment_rows=1024)


def test_columns_of_folders_and_splits(tagger, tmp_path):
    write(tmp_path / "p" / "year=2023" / "lang=x" / "a.parquet", text=["a"])
    write(tmp_path / "p" / "year=2024" / "lang=__HIVE_DEFAULT_PARTITION__" / "a.parquet", text=["b"])
    done = annotate(tagger, tmp_path / "p", where="year > 2000")
    assert [(row["year"], row["lang"]) for row in done.rows] == [(2023, "x"), (2024, None)]
    assert annotate(tagger, tmp_path / "p", where="year = 2024", columns=("text",)).rows[0]["text"] == "b"
    datasets = pytest.importorskip("datasets", reason="save_to_disk needs datasets")
    parts = {name: datasets.Dataset.from_dict({"text": [name] * 1500}) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    done = annotate(tagger, tmp_path / "saved", rows=1024)
    assert [(row["text"], row["split"]) for row in done.rows] == [("train", "train")] * 1500 + [
        ("test", "test")
    ] * 1500
    assert len(done.files) == 4
    assert not done.table.schema.metadata


def test_arrow_files(tagger, tmp_path):
    table = pa.table({"text": [WORDS[row % 9] for row in range(3000)], "n": range(3000)})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    write(tmp_path / "b.parquet", text=table["text"], n=table["n"])
    assert (
        annotate(tagger, tmp_path / "a.arrow").rows
        == annotate(tagger, tmp_path / "b.parquet", rows=1024).rows
    )
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:2000])
    with pytest.raises(InputError, match="no Arrow file that can be read"):
        annotate(tagger, tmp_path / "a.arrow")


# Bad input


def test_an_input_without_rows_has_one_part_without_rows(tagger, tmp_path):
    write(tmp_path / "a.parquet", text=pa.array([], pa.string()), n=pa.array([], pa.int64()))
    assert annotate(tagger, tmp_path / "a.parquet").table.schema.names == ["text", "n", "entities"]
    pq.ParquetWriter(tmp_path / "b.parquet", pa.schema({"text": pa.string()})).close()
    assert annotate(tagger, tmp_path / "b.parquet").table.num_rows == 0
    for name in ("c.txt", "d.jsonl"):
        (tmp_path / name).write_bytes(b"")
        assert annotate(tagger, tmp_path / name).table.num_rows == 0
    assert annotate(tagger, tmp_path / "a.parquet", where="n > 1", limit=5, form="jsonl").files == [b""]


def test_damaged_parquet(tagger, tmp_path):
    path = write(tmp_path / "a.parquet", text=[str(number) * 50 for number in range(5000)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="another format, or ends early"):
        annotate(tagger, path)
    path.write_bytes(data[:4] + bytes(1000) + data[1004:])
    with pytest.raises(RunError, match="the Parquet file is damaged"):
        annotate(tagger, path)


def test_two_columns_of_one_name(tagger, tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["text", "x", "x"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns are called 'x'"):
        annotate(tagger, tmp_path / "a.parquet")


def test_json_that_is_deep_or_of_many_keys(tagger, tmp_path):
    deep: object = 1
    for _ in range(40):
        deep = {"a": [deep]}
    records = [
        {"text": "a", "deep": deep},
        {"text": "b", "counts": {f"w{number}": 1 for number in range(1500)}},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n" + "[" * 100_000)
    done = annotate(tagger, tmp_path / "a.jsonl")
    assert json.loads(done.rows[1]["counts"]) == records[1]["counts"]
    assert [bad["error"] for bad in done.rejects] == ["not JSON that can be read"]
    found, wanted = done.rows[0]["deep"], deep
    while not isinstance(found, str):
        found, wanted = (
            found["a"] if isinstance(wanted, dict) else found[0],
            wanted["a"] if isinstance(wanted, dict) else wanted[0],
        )
    assert json.loads(found) == wanted
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps({"text": "a", f"k{row}": 1}) + "\n" for row in range(10_001))
    )
    with pytest.raises(InputError, match=r"b.jsonl:10000: there are more than 10,000 different keys"):
        annotate(tagger, tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    ("rows", "limit", "into"), [(1000, None, "x"), (0, None, "x"), (1024, 0, "x"), (1024, 1, "")]
)
def test_numbers_that_are_refused(corpus, rows, limit, into):
    with pytest.raises(InputError):
        make_plan(Place.of(corpus), Job(str(corpus), into=into), fragment_rows=rows, limit=limit)


# The plan itself


def test_a_changed_folder_is_told_with_the_file(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x\n")
    place = Place.of(tmp_path)
    plan = make_plan(place, Job(str(tmp_path)), fragment_rows=1024)
    plan.check_unchanged(place)
    (tmp_path / "c.txt").write_text("x\n")
    with pytest.raises(
        InputError, match=r"c\.txt: the file is new since the run was begun; bring the input back"
    ):
        plan.check_unchanged(place)
    (tmp_path / "c.txt").unlink()
    (tmp_path / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.txt: the file is gone since the run was begun"):
        plan.check_unchanged(place)


def test_a_plan_does_not_depend_on_where_files_are_looked_at(tmp_path):
    for name in range(70):
        (tmp_path / f"{name:02d}.jsonl").write_text(f'{{"text": "a", "k{name % 3}": {name}}}\n' * (name + 1))
    place = Place.of(tmp_path)

    def elsewhere(function, items):
        return [function(item) for item in items]

    for job in (Job(str(tmp_path)), Job(str(tmp_path), where="k1 > 5")):
        for limit in (None, 100):
            plans = [
                make_plan(place, job, fragment_rows=1024, limit=limit, map_files=way)
                for way in (map, elsewhere)
            ]
            assert plans[0] == plans[1] == Plan.from_dict(json.loads(json.dumps(plans[0].to_dict())))
    with pytest.raises(ValueError, match="no plan"):
        Plan.from_dict({"files": []})


def test_readers_read_what_was_written(tagger, corpus, tmp_path):
    done = annotate(tagger, corpus, rows=1024, columns=("text", "lang"))
    for number, data in enumerate(done.files):
        (tmp_path / f"part-{number:06d}.parquet").write_bytes(data)
    (tmp_path / "_manifest.json").write_text("{}")
    entities = done.table.column("entities")
    flat = [(one["label"], one["score"]) for row in entities.to_pylist() for one in row]
    found = duckdb.connect().execute(
        f"select e.label, e.score from (select unnest(entities) as e from '{tmp_path}/*.parquet')"
    )
    assert found.fetchall() == flat
    from pyarrow import dataset

    assert (
        dataset.dataset(str(tmp_path)).to_table().column("entities").combine_chunks()
        == entities.combine_chunks()
    )
    [column] = [
        column
        for column in map(pq.ParquetFile(io.BytesIO(done.files[0])).schema.column, range(9))
        if column.path.endswith("label")
    ]
    assert column.path == "entities.list.element.label"
    polars = pytest.importorskip("polars", reason="needs polars")
    frame = (
        polars.scan_parquet(str(tmp_path / "*.parquet")).select("entities").explode("entities").drop_nulls()
    )
    assert frame.unnest("entities").select("label", "score").collect().rows() == flat
