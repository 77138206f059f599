"""The table [tune]: what may stand there, what is refused and in which words."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tagwright.config import Choices, Range, Recipe, Space, named_recipes
from tagwright.errors import InputError


def read(table: str, tmp_path, above: str = ""):
    path = tmp_path / "recipe.toml"
    path.write_text(f"{above}\n[tune]\n{table}\n")
    return Recipe.load(path)


def test_ranges_and_choices_take_the_field_s_own_type(tmp_path):
    recipe = read(
        """
        train.learning_rate = {low = 1e-5, high = 1e-3, log = true}
        train.epochs = {low = 2, high = 8, step = 2}
        train.batch_size = {low = 8, high = 32}
        train.decay_all = [true, false]
        model.dropout = [0, 0.1]
        encode.label_pieces = ["first", "all"]
        """,
        tmp_path,
    )
    rate, epochs, batch, decay, dropout, label = recipe.space()
    assert rate == Range("train.learning_rate", 1e-5, 1e-3, log=True)
    assert epochs == Range("train.epochs", 2.0, 8.0, step=2)
    assert batch == Range("train.batch_size", 8, 32, step=1, whole=True)
    assert decay == Choices("train.decay_all", (True, False))
    assert [type(value) for value in dropout.values] == [float, float]
    assert label.values == ("first", "all")
    assert [one.size for one in recipe.space()] == [None, 4, 25, 2, 2, 2]
    assert recipe.space().size is None
    assert Space((epochs, decay)).size == 8


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train.lerning_rate = [1, 2]", "there is no such field of the recipe; did you mean train.learning_rate?"),
        ("learning_rate = {low = 1e-4, high = 1e-3}", "no such field of the recipe; did you mean train.learning_rate?"),
        ("train.learning_rate = {low = 1e-3, high = 1e-4}", "low = 0.001 is above high = 0.0001; swap them"),
        ("train.learning_rate = {low = 1e-4, high = 1e-4}", "has one value, .* write learning_rate = 0.0001 under"),
        ("train.learning_rate = [1e-4]", "has one value, so there is nothing to search"),
        ("train.learning_rate = []", "has no values; give at least two"),
        ("train.learning_rate = {high = 1e-4}", "has no low"),
        ("train.learning_rate = {lo = 1e-4, high = 1e-3}", "unknown word 'lo'; did you mean low?"),
        ("train.learning_rate = {low = 1e-4, high = 2}", "2 is no value of it: input should be less than"),
        ("train.learning_rate = {low = 1e-4, high = nan}", "nan is not a finite number"),
        ("train.learning_rate = 1e-4", "is no range and no list"),
        ("train.weight_decay = {low = 0, high = 0.1, log = true}", "log = true needs low above 0, not 0"),
        ("train.weight_decay = {low = 0, high = 0.1, log = 1}", "log = 1 is neither true nor false"),
        ("train.batch_size = [8, 16.5]", "16.5 is no value of it"),
        ("train.batch_size = [8, 8]", "a value stands twice"),
        ("train.batch_size = {low = 8, high = 32, step = 10}", "do not reach 32; make high 28"),
        ("train.batch_size = {low = 8, high = 32, step = 0.5}", "takes whole numbers"),
        ("train.batch_size = {low = 8, high = 32, step = 8, log = true}", "log and step exclude each other"),
        ("train.batch_size = {low = 8, high = 32, step = 0}", "step = 0 is no number above 0"),
        ("train.epochs = [true, 2]", "True is no value of it"),
        ("train.decay_all = {low = 0, high = 1}", r"takes no numbers, so it has no range; .*\[true, false\]"),
        ('encode.label_pieces = ["first", "last"]', "'last' is no value of it"),
        ('data.source = ["a", "b"]', "data.source cannot be searched: it would change what is scored"),
        ("train.seed = [1, 2]", "train.seed cannot be searched: a seed is luck"),
        ('train.engine = ["torch", "keras"]', "train.engine cannot be searched"),
        ('train.report_to = [["a"], ["b"]]', "train.report_to cannot be searched"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name_and_place(tmp_path, line, said):
    with pytest.raises(InputError, match=said) as caught:
        read(line, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'recipe.toml'}: [tune] {line.split(' = ')[0]}")


def test_a_space_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "recipe.toml").write_text("tune = 3\n")
    with pytest.raises(InputError, match=r"tune is a table of settings; write \[tune\] above its fields"):
        Recipe.load(tmp_path / "recipe.toml")


def test_a_recipe_round_trips_with_its_space_and_is_recorded_without_it(tmp_path):
    recipe = Recipe.load("search")
    path = tmp_path / "again.toml"
    path.write_text(recipe.to_toml())
    assert Recipe.load(path) == recipe
    assert Recipe.load(path).space() == recipe.space()
    assert "tune" not in recipe.model_dump()
    assert recipe.to_toml().startswith(Recipe.load("default").to_toml())


def test_a_space_can_be_given_in_python():
    [batch] = Recipe(tune={"train.batch_size": [8, 16]}).space()
    assert batch == Choices("train.batch_size", (8, 16))


def test_settings_add_and_remove_dimensions():
    recipe = Recipe.load(
        "search", ["tune.train.warmup={low = 0.0, high = 0.3}", "tune.train.batch_size=[4, 8]"]
    )
    keys = [one.key for one in recipe.space()]
    assert keys.count("train.warmup") == keys.count("train.batch_size") == 1
    assert Space.read({"train": {"warmup": None}}, recipe) == Space()


def test_the_built_in_space_holds_the_default_recipe():
    recipe = Recipe.load("search")
    recipe.train.learning_rate = 2.5e-4
    assert recipe.space().apply(recipe, recipe.space().nearest(recipe)).model_dump() == recipe.model_dump()
    assert "search" in named_recipes()


def test_the_nearest_values_are_the_recipe_s_own_or_the_ends(tmp_path):
    recipe = read(
        "train.epochs = {low = 4, high = 8, step = 2}\n"
        "train.batch_size = [8, 32]\ntrain.warmup = {low = 0, high = 0.3}\n"
        "train.learning_rate = {low = 1e-5, high = 1e-3, log = true}",
        tmp_path,
        above="[train]\nbatch_size = 30\nwarmup = 0.123456789",
    )
    assert recipe.space().nearest(recipe) == {
        "train.epochs": 4.0,
        "train.batch_size": 32,
        "train.warmup": 0.123456789,
        "train.learning_rate": 1e-4,  # not set: the middle
    }


def test_every_recipe_of_a_space_that_can_be_counted():
    space = Space(
        (
            Range("a", 1, 3, log=True, step=1, whole=True),
            Range("b", 0.0, 1.0, step=0.5),
            Choices("c", ("x", "y")),
        )
    )
    found = [tuple(one.values()) for one in space.every()]
    assert found == [(a, b, c) for a in (1, 2, 3) for b in (0.0, 0.5, 1.0) for c in ("x", "y")]
    assert len(found) == space.size


@given(st.floats(0, 1), st.booleans(), st.integers(1, 50), st.integers(1, 50))
def test_every_place_is_a_value_and_ends_are_reached(place, log, low, span):
    for one in (
        Range("x", low, low + span, log=log),
        Range("x", low, low + span, step=None if log else 1, log=log, whole=True),
        Choices("x", tuple(range(low, low + span + 1))),
    ):
        value = one.at(place)
        assert low <= value <= low + span
        assert one.snap(value) == value
        assert (one.at(0.0), one.at(1.0)) == (low, low + span)
