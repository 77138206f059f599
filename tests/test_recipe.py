"""The recipe: what it refuses and how, settings on top of it, and its way through TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.config import Recipe, named_recipes
from tagwright.errors import InputError


def refusal(recipe: str | Path | None = None, settings: object = ()) -> str:
    with pytest.raises(InputError) as caught:
        Recipe.load(recipe, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def recipe_file(tmp_path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_the_default_recipe_is_the_defaults_of_the_fields():
    assert Recipe.load() == Recipe.load("default") == Recipe()


def test_the_guide_recipe_has_the_guides_values():
    recipe = Recipe.load("guide")
    train = recipe.train
    assert (train.learning_rate, train.batch_size, train.epochs, train.weight_decay) == (2e-5, 16, 3, 0.01)
    assert (train.warmup, train.head_rate, train.layer_decay, train.precision) == (0, 1, 1, "fp32")
    assert not train.length_grouping
    assert not recipe.predict.valid_tags


@pytest.mark.parametrize("name", list(named_recipes()))
def test_every_built_in_recipe_loads(name):
    Recipe.load(name)


def test_every_field_says_what_it_is():
    for section, table in Recipe.model_fields.items():
        for name, field in table.annotation.model_fields.items():
            assert field.description, f"{section}.{name} has no docstring"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("train.learning_rate=2e-4", 2e-4),
        ("train.learning_rate = 2e-4 ", 2e-4),
        ("train.learning_rate=", None),
        ("train.seed=7", 7),
        ("train.epochs=1.5", 1.5),
        ("train.length_grouping=false", False),
        ("train.precision=bf16", "bf16"),
        ('train.precision="bf16"', "bf16"),
        ('train.report_to=["tensorboard"]', ["tensorboard"]),
        ("data.source=hub:owner/name@v1.0", "hub:owner/name@v1.0"),
        ("encode.splitter=regex:a=b|[^ ]+", "regex:a=b|[^ ]+"),
    ],
)
def test_settings_are_toml_or_bare_words(setting, value):
    section, field = setting.partition("=")[0].strip().split(".")
    assert getattr(getattr(Recipe.load(None, [setting]), section), field) == value


def test_settings_may_be_a_mapping_and_the_last_of_a_list_wins():
    assert Recipe.load(None, {"train.seed": 3}).train.seed == 3
    assert Recipe.load(None, ["train.seed=3", "train.seed=4"]).train.seed == 4


def test_settings_go_over_the_file_and_leave_the_rest(recipe_file):
    path = recipe_file("[train]\nseed = 1\nepochs = 5\n")
    train = Recipe.load(path, ["train.seed=2"]).train
    assert (train.seed, train.epochs) == (2, 5)


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("train.lr=1e-4", ["unknown recipe key 'train.lr'", "learning_rate"]),
        ("train.learnin_rate=1", ["'train.learnin_rate'", "did you mean learning_rate?"]),
        ("trian.seed=1", ["unknown recipe key 'trian'", "did you mean train?"]),
        ("train.seed.more=1", ["unknown recipe key 'train.seed.more'"]),
        ("train.learning_rate=-1", ["train.learning_rate = -1", "greater than 0"]),
        ("train.epochs=inf", ["train.epochs = inf", "finite"]),
        ("train.epochs=nan", ["train.epochs = nan"]),
        ("train.batch_size=0", ["train.batch_size = 0"]),
        ("train.seed=", ["train.seed = None"]),
        ("train.seed=4294967296", ["train.seed = 4294967296"]),
        ("train.seed=many", ["train.seed = 'many'", "integer"]),
        ("data.misfits=snip", ["data.misfits = 'snip'", "'error', 'snap' or 'drop'"]),
        ("data.validation_share=1", ["data.validation_share = 1", "less than 1"]),
        ("train.report_to=tensorboard", ["train.report_to = 'tensorboard'", "list"]),
        ("train.seed", ["'train.seed' has no value", "section.field=value"]),
        ("train=1", ["'train' names no field", "section.field=value"]),
        ("=1", ["names no field"]),
        (".seed=1", ["names no field"]),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_not_blamed_on_a_file(setting, parts):
    message = refusal(None, [setting])
    assert [part for part in parts if part not in message] == []
    assert ".toml" not in message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("[train]\nlr = 1\n", ["unknown recipe key 'train.lr'"]),
        ("seed = 1\n", ["unknown recipe key 'seed'", "known are data, encode, model, train, predict"]),
        ("train = 3\n", ["train is a table of settings", "[train]"]),
        ("[train]\nlearning_rate = -1\n", ["train.learning_rate = -1"]),
        ("[train]\nlearning_rate = \n", ["not TOML", "line 2"]),
        ("[train]\nseed = 1\nseed = 2\n", ["not TOML", "line 3"]),
        (b"[train]\n# \xff\n", ["not TOML", "utf-8"]),
        (b"\x7fELF\x02\x01\x01\x00", ["not TOML"]),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(recipe_file, content, parts):
    path = recipe_file(content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert [part for part in parts if part not in message] == []


def test_a_setting_in_a_table_that_is_none_blames_the_file(recipe_file):
    path = recipe_file("train = 3\n")
    assert refusal(path, ["train.seed=1"]).startswith(f"{path}: train is a table")


def test_a_file_with_a_byte_order_mark_and_crlf_is_read(recipe_file):
    assert Recipe.load(recipe_file(b"\xef\xbb\xbf[train]\r\nseed = 5\r\n")).train.seed == 5


def test_no_such_recipe_names_those_there_are():
    message = refusal("nowhere.toml")
    assert "'nowhere.toml'" in message
    assert "default" in message
    assert "guide" in message


def test_a_folder_is_not_a_recipe(tmp_path):
    assert (
        refusal(tmp_path)
        == f"{tmp_path}: a folder is no recipe; name a TOML file or one of default, guide, search"
    )


texts = st.text(max_size=30)
shares = st.floats(0, 0.99)
settings = st.fixed_dictionaries(
    {},
    optional={
        "data.source": texts,
        "data.validation_share": shares,
        "data.repair": st.booleans(),
        "data.scheme": st.sampled_from(["iob1", "iob2", "bioes", "bilou", "io", "word"]),
        "encode.splitter": texts,
        "encode.max_pieces": st.none() | st.integers(8, 10**6),
        "model.dropout": st.none() | shares,
        "train.learning_rate": st.none() | st.floats(1e-30, 1),
        "train.epochs": st.floats(min_value=0, exclude_min=True, allow_infinity=False),
        "train.seed": st.integers(0, 2**32 - 1),
        "train.report_to": st.lists(texts, max_size=3),
    },
)


@given(settings)
def test_a_recipe_survives_toml(given_settings):
    recipe = Recipe.load(None, given_settings)
    assert Recipe.model_validate(tomllib.loads(recipe.to_toml())) == recipe


def test_what_was_written_loads_as_a_file(recipe_file):
    recipe = Recipe.load("guide", ['data.source=a "quoted" \\ path', "train.report_to=['x']"])
    assert Recipe.load(recipe_file(recipe.to_toml())) == recipe
