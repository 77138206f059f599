"""Hugging Face folders of every form into Keras, and what is refused."""

from __future__ import annotations

import json
import struct

import ml_dtypes
import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

keras = pytest.importorskip("keras", reason="the extra keras is not installed")

from tagwright.errors import InputError  # noqa: E402
from tagwright.keras import TokenClassifier, source  # noqa: E402
from tests.keras.reference import KINDS, configure, same_weights, tensors_of, torch_model  # noqa: E402

LABELS = ["O", "B-person", "I-person"]
WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def rewrite(folder, change):
    """Store the tensors anew, as `change` returns them."""
    save_file(change(load_file(folder / WHOLE)), folder / WHOLE)


def refusal(folder, kind=InputError, **options) -> str:
    with pytest.raises(kind) as caught:
        TokenClassifier.from_pretrained(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def body_of(tensors):
    return {name: value for name, value in tensors.items() if not name.startswith("classifier.")}


# Forms of folders


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_and_its_labels_are_loaded(saved, kind):
    model, folder = saved(kind)
    found = TokenClassifier.from_pretrained(folder)
    same_weights(found, tensors_of(model))
    assert found.labels == list(model.config.id2label.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", [True, False])
def test_an_encoder_without_a_head_gets_a_new_one(saved, kind, prefix):
    model, folder = saved(kind, head=False)
    start = model.base_model_prefix + "."
    rewrite(folder, lambda tensors: {(start if prefix else "") + name: tensors[name] for name in tensors})
    configure(folder, architectures=[type(model.base_model).__name__])
    found = TokenClassifier.from_pretrained(folder, labels=LABELS, seed=3)
    tensors = found.tensors()
    np.testing.assert_equal(body_of(tensors), body_of(tensors_of(model)))
    assert tensors["classifier.weight"].shape == (3, 16)
    assert 0.2 < tensors["classifier.weight"].std() < 0.4  # initializer_range is 0.3
    assert not tensors["classifier.bias"].any()
    again = TokenClassifier.from_pretrained(folder, labels=LABELS, seed=3).tensors()
    other = TokenClassifier.from_pretrained(folder, labels=LABELS, seed=4).tensors()
    assert (again["classifier.weight"] == tensors["classifier.weight"]).all()
    assert (other["classifier.weight"] != tensors["classifier.weight"]).all()


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_shards_are_joined(saved, kind):
    model, folder = saved(kind, max_shard_size="4KB")
    assert (folder / INDEX).exists()
    assert len(list(folder.glob("model-*.safetensors"))) > 3
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model))


@pytest.mark.parametrize(
    ("kind", "within"), [(np.float16, 1e-3), (ml_dtypes.bfloat16, 1e-2), (np.float64, 0)]
)
def test_other_precisions_become_fp32(saved, kind, within):
    model, folder = saved()
    rewrite(folder, lambda tensors: {name: value.astype(kind) for name, value in tensors.items()})
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model), within=within)
    exact = {name: value.astype(kind).astype(np.float32) for name, value in tensors_of(model).items()}
    same_weights(TokenClassifier.from_pretrained(folder), exact)


def test_torchs_own_bfloat16_is_read(saved):
    model, folder = saved()
    model.to(torch.bfloat16).save_pretrained(folder)
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model.float()))


def test_old_names_of_norms_are_known(saved):
    model, folder = saved("bert")
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

    def rename(name):
        for new, was in old.items():
            name = name.replace(new, was)
        return name

    rewrite(folder, lambda tensors: {rename(name): value for name, value in tensors.items()})
    assert any("gamma" in name for name in load_file(folder / WHOLE))
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model))


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("distilbert", "DistilBertForMaskedLM"),
        ("distilbert", "DistilBertForSequenceClassification"),
        ("distilbert", "DistilBertForQuestionAnswering"),
        ("bert", "BertForPreTraining"),
        ("bert", "BertForSequenceClassification"),
        ("bert", "BertModel"),
        ("roberta", "RobertaForMaskedLM"),
        ("roberta", "RobertaForSequenceClassification"),
        ("camembert", "CamembertForMaskedLM"),
    ],
)
def test_heads_of_other_tasks_are_left_out(tmp_path, kind, task):
    config = torch_model(kind).config
    config.id2label, config.label2id = {0: "O", 1: "B-person"}, {"O": 0, "B-person": 1}
    model = getattr(transformers, task)(config).eval()
    model.save_pretrained(tmp_path)
    stored = load_file(tmp_path / WHOLE)
    body = model.base_model.state_dict()
    extra = {"embeddings.position_ids": np.arange(40)[None]}  # as old versions stored them
    save_file(
        stored | {f"{model.base_model_prefix}.{name}": value for name, value in extra.items()},
        tmp_path / WHOLE,
    )
    if task == "BertModel":
        save_file(stored | extra, tmp_path / WHOLE)
    found = TokenClassifier.from_pretrained(tmp_path, labels=LABELS).tensors()
    for name, value in body_of(found).items():
        np.testing.assert_array_equal(value, body[name.removeprefix(f"{model.base_model_prefix}.")].numpy())
    # A classifier of texts is no head of words, though its name and its labels may be the same.
    assert not found["classifier.bias"].any()
    assert task in refusal(tmp_path)


def test_rows_of_labels_that_stay_are_kept(saved):
    model, folder = saved()
    names = list(model.config.id2label.values())
    labels = ["B-new", names[5], "I-new", names[0]]
    found = TokenClassifier.from_pretrained(folder, labels=labels).tensors()
    trained = tensors_of(model)
    for row, place in ((1, 5), (3, 0)):
        np.testing.assert_array_equal(found["classifier.weight"][row], trained["classifier.weight"][place])
        assert found["classifier.bias"][row] == trained["classifier.bias"][place] != 0
    assert not found["classifier.bias"][[0, 2]].any()


def test_unused_labels_of_an_encoder_may_be_odd(saved):
    _, folder = saved(head=False)
    configure(folder, id2label={"7": "x"})
    assert TokenClassifier.from_pretrained(folder, labels=LABELS).labels == LABELS


def test_dropouts_are_taken_from_the_call(saved):
    _, folder = saved("bert")
    found = TokenClassifier.from_pretrained(folder, dropout=0.25, attention_dropout=0)
    architecture = found.architecture
    assert (architecture.dropout, architecture.attention_dropout, architecture.head_dropout) == (
        0.25,
        0,
        0.25,
    )
    assert found.config["hidden_dropout_prob"] == 0.25
    assert "dropout is 1" in refusal(folder, dropout=1)


def test_a_save_that_was_cut_off_is_finished(saved):
    model, folder = saved()
    ready = folder / ".bundle-ready"
    ready.mkdir()
    for name in (WHOLE, "config.json"):
        (folder / name).rename(ready / name)
    same_weights(TokenClassifier.from_pretrained(folder), tensors_of(model))


# What is refused


def test_missing_tensors_are_named(saved):
    _, folder = saved()
    lost = "distilbert.transformer.layer.1.ffn.lin2.bias"
    rewrite(folder, lambda tensors: {name: value for name, value in tensors.items() if name != lost})
    assert f"lack the tensor {lost}" in refusal(folder)
    assert f"lack the tensor {lost}" in refusal(folder, labels=LABELS)
    rewrite(folder, lambda tensors: {name: tensors[name] for name in tensors if "lin" not in name})
    assert "tensors, such as distilbert.transformer.layer.0" in refusal(folder)


def test_half_a_head_is_refused(saved):
    _, folder = saved()
    rewrite(folder, lambda tensors: {name: tensors[name] for name in tensors if name != "classifier.bias"})
    assert "lack the tensor classifier.bias" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        "distilbert.transformer.layer.2.ffn.lin2.bias",
        "distilbert.embeddings.token_type_embeddings.weight",
        "distilbert.transformer.layer.0.adapter.weight",
        "crf.transitions",
    ],
)
def test_left_over_tensors_are_named(saved, name):
    _, folder = saved()
    rewrite(folder, lambda tensors: tensors | {name: np.zeros(3, np.float32)})
    assert name in refusal(folder)


def test_a_tensor_that_is_there_twice_is_refused(saved):
    _, folder = saved()
    name = "embeddings.LayerNorm.bias"
    rewrite(folder, lambda tensors: tensors | {name: np.zeros(16, np.float32)})
    assert "is there twice" in refusal(folder)


def test_other_shapes_are_named(saved):
    _, folder = saved()
    configure(folder, hidden_dim=32)
    assert "distilbert.transformer.layer.0.ffn.lin1.weight has the shape (24, 16)" in refusal(folder)
    configure(folder, hidden_dim=24, id2label={"0": "O", "1": "B-x"}, label2id={"O": 0, "B-x": 1})
    assert "classifier.weight has the shape (13, 16)" in refusal(folder)
    assert "classifier.weight has the shape (13, 16)" in refusal(folder, labels=LABELS)


def test_whole_numbers_are_no_weights(saved):
    _, folder = saved()
    name = "distilbert.embeddings.LayerNorm.bias"
    rewrite(folder, lambda tensors: tensors | {name: np.zeros(16, np.int8)})
    assert f"{name} holds I8" in refusal(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_cut_off_files_are_refused(saved, keep):
    _, folder = saved()
    (folder / WHOLE).write_bytes((folder / WHOLE).read_bytes()[:keep])
    assert "the weights cannot be read" in refusal(folder)


@pytest.mark.parametrize(
    "content",
    [b"version https://git-lfs.github.com/spec/v1\noid sha256:0", struct.pack("<Q", 9) + b'{"a": {}}'],
)
def test_files_of_other_things_are_refused(saved, content):
    _, folder = saved()
    (folder / WHOLE).write_bytes(content)
    assert "git lfs pull" in refusal(folder)


def test_a_missing_shard_is_named(saved):
    _, folder = saved(max_shard_size="4KB")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.rename(folder / "away")
    assert f"part {shard.name} is missing" in refusal(folder)
    save_file({"x": np.zeros(1, np.float32)}, shard)
    assert f"which {INDEX} promises" in refusal(folder)
    shard.write_bytes(b"")
    assert shard.name in refusal(folder)


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", 7])
def test_an_index_does_not_lead_out_of_its_folder(saved, shard):
    _, folder = saved(max_shard_size="4KB")
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"]["classifier.bias"] = shard
    (folder / INDEX).write_text(json.dumps(index))
    assert f"part {shard} is missing" in refusal(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": []}'])
def test_a_broken_index_is_refused(saved, content):
    _, folder = saved(max_shard_size="4KB")
    (folder / INDEX).write_text(content)
    assert INDEX in refusal(folder)


def test_pickled_weights_are_not_read(saved):
    model, folder = saved()
    (folder / WHOLE).unlink()
    assert f"no weights ({WHOLE})" in refusal(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert "save_pretrained" in refusal(folder)


def test_folders_without_a_model_are_refused(saved, tmp_path):
    assert "no config.json" in refusal(tmp_path)
    assert "there is no folder" in refusal(tmp_path / "none")
    _, folder = saved()
    assert "there is no folder" in refusal(folder / WHOLE)
    (folder / "config.json").write_text("{")
    assert "not JSON" in refusal(folder)


def test_a_head_without_labels_is_refused(saved):
    _, folder = saved(head=False)
    assert "labels=[...]" in refusal(folder)
    _, folder = saved()
    configure(folder, id2label={"1": "O"})
    assert "does not number its labels" in refusal(folder)


# The Hub


def test_a_name_that_cannot_be_reached_says_so():
    assert "the Hub cannot be reached" in refusal("owner/name-that-nobody-has", labels=LABELS)


def test_a_name_on_the_hub_is_downloaded(saved, monkeypatch):
    import huggingface_hub

    model, folder = saved()
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(source, "hub_reachable", lambda: True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    same_weights(TokenClassifier.from_pretrained("owner/name@v2"), tensors_of(model))
    assert (asked["name"], asked["revision"], asked["local_files_only"]) == ("owner/name", "v2", False)
    assert "config.json" in asked["allow_patterns"]
    assert not any("bin" in pattern for pattern in asked["allow_patterns"])

    def fail(name, **options):
        raise OSError("404: no such repository\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    assert "cannot be loaded: 404: no such repository" in refusal("owner/name")
