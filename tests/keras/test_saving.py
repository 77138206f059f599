"""Tensors out of a model and into it, and the folder that it saves."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers
from safetensors import safe_open

keras = pytest.importorskip("keras", reason="the extra keras is not installed")

from tagwright.errors import InputError, RunError  # noqa: E402
from tagwright.keras import TokenClassifier  # noqa: E402
from tagwright.keras.architecture import Architecture  # noqa: E402
from tests.keras.reference import KINDS, batch, configure, same_weights, tensors_of, torch_model  # noqa: E402

LABELS = ["O", "B-person", "I-person"]
WHOLE = "model.safetensors"


# Tensors at hand


def test_tensors_are_taken_strictly(pair):
    theirs, ours = pair()
    tensors = tensors_of(theirs)
    config, labels = theirs.config.to_dict(), ours.labels
    name = "distilbert.transformer.layer.0.ffn.lin1.weight"
    for bad, words in (
        ({key: value for key, value in tensors.items() if key != name}, f"lack {name}"),
        ({key: value for key, value in tensors.items() if key != "classifier.bias"}, "lack classifier.bias"),
        (tensors | {"pooler.weight": tensors[name]}, "pooler.weight has no place"),
        (tensors | {name: tensors[name].T}, f"{name} has the shape (16, 24)"),
    ):
        with pytest.raises(InputError) as caught:
            TokenClassifier.from_tensors(config, bad, labels=labels, where="here")
        assert words in str(caught.value)
        assert str(caught.value).startswith("here: ")
        with pytest.raises(InputError):
            ours.load_tensors({key: np.zeros_like(value) for key, value in bad.items()})
    same_weights(ours, tensors)  # nothing was changed


def test_tensors_are_copies(pair):
    theirs, ours = pair()
    tensors = ours.tensors()
    for value in tensors.values():
        value[...] = 0
    same_weights(ours, tensors_of(theirs))
    tensors = ours.tensors()
    before = {name: value.copy() for name, value in tensors.items()}
    for variable in ours.named_variables().values():
        variable.assign_add(keras.ops.ones(variable.shape))
    np.testing.assert_equal(tensors, before)


# Saving


def test_what_is_saved_keeps_the_configuration(saved, tmp_path):
    _, folder = saved("bert")
    configure(folder, custom={"kept": [1, None]}, torch_dtype="float16", num_labels=13, architectures=None)
    model = TokenClassifier.from_pretrained(folder, labels=LABELS)
    model.save_pretrained(tmp_path / "new")
    config = json.loads((tmp_path / "new/config.json").read_text())
    before = json.loads((folder / "config.json").read_text())
    changed = {"architectures", "dtype", "id2label", "label2id"}
    assert {key: before[key] for key in before if key not in {*changed, "torch_dtype", "num_labels"}} == {
        key: config[key] for key in config if key not in changed
    }
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["dtype"] == "float32"
    assert config["id2label"] == {"0": "O", "1": "B-person", "2": "I-person"}
    assert config["label2id"] == {"O": 0, "B-person": 1, "I-person": 2}
    with safe_open(tmp_path / "new" / WHOLE, framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["config.json", WHOLE]
    assert (tmp_path / "new" / WHOLE).stat().st_mode == (tmp_path / "new/config.json").stat().st_mode


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_no_folder_is_saved_whole(kind, tmp_path):
    architecture = Architecture.from_config(torch_model(kind, layer_norm_eps=1e-5).config.to_dict())
    model = TokenClassifier(architecture, LABELS, seed=5)
    model.save_pretrained(tmp_path)
    again = TokenClassifier.from_pretrained(tmp_path)
    assert again.architecture == architecture
    np.testing.assert_array_equal(again(batch(kind)).numpy(), model(batch(kind)).numpy())
    theirs = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path)
    np.testing.assert_equal(tensors_of(theirs), model.tensors())


def test_a_failed_save_leaves_the_earlier_model(saved, monkeypatch):
    model, folder = saved()
    (folder / "notes.txt").write_text("mine")
    other = TokenClassifier.from_pretrained(folder, labels=LABELS)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.numpy.save_file", fail)
        with pytest.raises(RunError, match="the disk is full") as caught:
            other.save_pretrained(folder)
    assert str(folder) in str(caught.value)
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model))
    assert not list(folder.glob(".bundle*"))
    other.save_pretrained(folder)
    same_weights(TokenClassifier.from_pretrained(folder), other.tensors())
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_model_is_not_saved_over_a_file(pair, tmp_path):
    _, ours = pair()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="could not be saved"):
        ours.save_pretrained(tmp_path / "file")
