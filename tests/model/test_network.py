"""Encoders from folders and the Hub, and the head they are given."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from tagwright.data import reach as hub
from tagwright.errors import InputError
from tagwright.model import network
from tagwright.model.network import build_network, fit_head, load_tokenizer_of, pieces_limit_of
from tagwright.tags import LabelMap, Scheme
from tests.models import tiny_model, tiny_tokenizer

LABELS = LabelMap(["O", "B-person", "I-person", "B-place", "I-place"], Scheme.IOB2)
KINDS = ("distilbert", "bert", "roberta")


@pytest.fixture
def folder(tmp_path):
    """Save a tiny model, with or without its head, and its tokenizer."""

    def save(kind: str = "distilbert", *, head: bool = False, tokenizer: bool = True, **options):
        model = tiny_model(kind, **options)
        (model if head else model.base_model).save_pretrained(tmp_path / "model")
        if tokenizer:
            tiny_tokenizer(kind).save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return save


def refusal(encoder: str, **options) -> str:
    with pytest.raises(InputError) as caught:
        build_network(encoder, LABELS, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Folders


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_gets_a_new_head(folder, kind):
    path = folder(kind)
    found = build_network(path, LABELS, seed=1)
    assert found.notices == []
    assert found.model.config.id2label == dict(enumerate(LABELS.names))
    assert found.model.config.label2id == {name: row for row, name in enumerate(LABELS.names)}
    assert found.model.classifier.weight.shape == (5, 32)
    assert found.model.num_labels == 5
    assert torch.count_nonzero(found.model.classifier.bias) == 0
    body = tiny_model(kind).base_model.state_dict()
    assert all(
        torch.equal(body[name], tensor) for name, tensor in found.model.base_model.state_dict().items()
    )
    assert all(tensor.dtype == torch.float32 for tensor in found.model.parameters())
    batch = found.tokenizer(["Jeff", "in", "New", "York"], is_split_into_words=True, return_tensors="pt")
    assert found.model(**batch).logits.shape[-1] == 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_is_the_encoders(folder, kind):
    path = folder(kind, positions=48)
    assert build_network(path, LABELS).max_pieces == 48
    assert pieces_limit_of(path) == 48


def test_the_seed_decides_the_head(folder):
    path = folder()
    first, again, other = (
        build_network(path, LABELS, seed=seed).model.classifier.weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_building_leaves_the_random_numbers_alone(folder):
    path = folder(head=True)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_network(path, LABELS)
    assert torch.equal(torch.rand(2), expected)


def test_weights_in_half_precision_are_read_as_fp32(tmp_path):
    tiny_model().distilbert.half().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert all(
        tensor.dtype == torch.float32 for tensor in build_network(str(tmp_path), LABELS).model.parameters()
    )


def test_loading_says_nothing_of_its_own(folder, capfd):
    path = folder()
    capfd.readouterr()
    build_network(path, LABELS)
    assert capfd.readouterr() == ("", "")


def test_pieces_that_only_the_tokenizer_has_get_rows(tmp_path):
    tokenizer = tiny_tokenizer()
    tiny_model().distilbert.save_pretrained(tmp_path)
    tokenizer.add_tokens(["<user>", "<url>"])
    tokenizer.save_pretrained(tmp_path)
    found = build_network(str(tmp_path), LABELS)
    assert (
        found.model.get_input_embeddings().weight.shape[0] == len(tokenizer) == found.model.config.vocab_size
    )
    assert found.notices == ["the tokenizer has 2 pieces more than the encoder: they are new"]


# The head of a checkpoint


def test_a_head_of_the_same_labels_is_kept(folder):
    path = folder(head=True, labels=LABELS.names)
    found = build_network(path, LABELS)
    assert found.notices == ["the checkpoint's head is kept: all 5 labels are the same"]
    assert torch.equal(found.model.classifier.weight, tiny_model(labels=LABELS.names).classifier.weight)


def test_rows_of_known_labels_are_kept_in_their_new_places(folder):
    names = ["B-place", "O", "I-place", "B-event"]
    path = folder(head=True, labels=names)
    found = build_network(path, LABELS)
    assert found.notices == [
        "the checkpoint has a head of other labels: kept 3 (O, B-place, I-place); "
        "new 2 (B-person, I-person); dropped 1 (B-event)"
    ]
    old, new = tiny_model(labels=names).classifier, found.model.classifier
    for name in ("O", "B-place", "I-place"):
        assert torch.equal(new.weight[LABELS.label2id[name]], old.weight[names.index(name)])
        assert torch.equal(new.bias[LABELS.label2id[name]], old.bias[names.index(name)])
    rows = [LABELS.label2id[name] for name in ("B-person", "I-person")]
    assert torch.count_nonzero(new.bias[rows]) == 0
    assert 0 < new.weight[rows].std() < 3 * found.model.config.initializer_range


def test_many_labels_are_not_all_listed(folder):
    path = folder(head=True, labels=[f"L{number}" for number in range(20)])
    assert "dropped 20 (L0, L1, L2, L3, L4, L5, L6, L7 and 12 more)" in build_network(path, LABELS).notices[0]


def test_a_head_without_a_bias_stays_without():
    """Plain transformers would drop one, and answer otherwise."""
    model = tiny_model(labels=["O", "X"])
    model.classifier = torch.nn.Linear(32, 2, bias=False)
    fit_head(model, LABELS, trained=True, seed=0)
    assert model.classifier.bias is None
    assert model.classifier.weight.shape == (5, 32)


def test_a_head_that_is_no_dense_layer_is_refused():
    model = tiny_model()
    model.classifier = torch.nn.Sequential(torch.nn.Linear(32, 13))
    with pytest.raises(InputError, match="DistilBertForTokenClassification has no head of one dense layer"):
        fit_head(model, LABELS, trained=True, seed=0)


# Dropout


@pytest.mark.parametrize(
    ("kind", "hidden", "attention"),
    [
        ("distilbert", "dropout", "attention_dropout"),
        ("bert", "hidden_dropout_prob", "attention_probs_dropout_prob"),
        ("roberta", "hidden_dropout_prob", "attention_probs_dropout_prob"),
    ],
)
def test_dropout_is_set_under_the_encoders_own_names(folder, kind, hidden, attention):
    path = folder(kind)
    plain = build_network(path, LABELS).model.config
    assert (getattr(plain, hidden), getattr(plain, attention)) == (0.1, 0.1)
    config = build_network(path, LABELS, dropout=0.25, attention_dropout=0.0).model.config
    assert (getattr(config, hidden), getattr(config, attention)) == (0.25, 0.0)


def test_an_encoder_without_dropout_says_so(tmp_path):
    config = transformers.LlamaConfig(
        vocab_size=len(tiny_tokenizer()),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    transformers.LlamaModel(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    line = refusal(str(tmp_path), dropout=0.1)
    assert line.startswith("LlamaConfig has none of dropout, hidden_dropout_prob")


# What cannot be loaded


def test_a_folder_without_a_tokenizer(folder):
    path = folder(tokenizer=False)
    line = refusal(path)
    assert line.startswith(path)
    assert "tokenizer" in line
    assert "AutoTokenizer.from_pretrained(ENCODER).save_pretrained(FOLDER)" in line


@pytest.mark.parametrize("kind", ["CanineTokenizer", "ByT5Tokenizer"])
def test_a_tokenizer_that_is_only_slow(folder, kind):
    path = folder(tokenizer=False)
    transformers_class = getattr(transformers, kind)
    transformers_class().save_pretrained(path)
    line = refusal(path)
    assert f"the tokenizer ({kind}) has no fast version; use an encoder with a tokenizer.json" in line


def test_a_damaged_tokenizer(folder):
    path = folder()
    Path(path, "tokenizer.json").write_text("{")
    assert "no tokenizer can be loaded" in refusal(path)


def test_a_folder_without_a_model(tmp_path):
    tiny_tokenizer().save_pretrained(tmp_path)
    assert refusal(str(tmp_path)).startswith(str(tmp_path))


def test_an_export_is_no_encoder(folder):
    path = folder()
    Path(path, "model.safetensors").rename(Path(path, "model.onnx"))
    assert refusal(path).endswith(
        "it was exported for onnx and holds no weights; name the bundle that it was made from"
    )


def test_damaged_weights(folder):
    path = folder()
    Path(path, "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "the model cannot be loaded" in refusal(path)


def reconfigure(path: str, **values):
    file = Path(path, "config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_weights_that_lack_a_part_of_the_encoder(folder):
    path = folder()
    reconfigure(path, n_layers=3)
    line = refusal(path)
    assert "the weights lack 16 tensors of the encoder, such as distilbert.transformer.layer.2." in line


def test_weights_that_are_no_numbers(folder):
    path = folder()
    file = Path(path, "model.safetensors")
    tensors = load_file(file)
    tensors["embeddings.LayerNorm.bias"][3] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})
    assert "not finite, in distilbert.embeddings.LayerNorm.bias" in refusal(path)


def test_a_model_of_another_kind(folder):
    path = folder()
    reconfigure(path, model_type="nonesuch")
    assert refusal(path).startswith(path)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere", "a/b/c"])
def test_a_folder_that_is_not_there(name):
    assert refusal(name).startswith(f"there is no folder {name!r}; name a model folder")


def test_a_file_is_no_encoder(tmp_path):
    (tmp_path / "model.bin").write_text("")
    assert "there is no folder" in refusal(str(tmp_path / "model.bin"))


# The Hub


@pytest.fixture
def connections(monkeypatch):
    """Count connections, none of which gets through; no proxy is set."""
    tried = []

    def refuse(address, timeout=None):
        tried.append((address, timeout))
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub, "getproxies", dict)
    hub._answers.cache_clear()
    yield tried
    hub._answers.cache_clear()


@pytest.mark.parametrize("name", ["distilbert/distilbert-base-uncased", "bert-base-cased", "owner/name@v1.0"])
@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_a_name_on_the_hub_says_what_to_do(monkeypatch, connections, name, offline):
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    begin = time.perf_counter()
    line = refusal(name)
    assert time.perf_counter() - begin < 5
    assert f"the encoder {name!r} is not on this machine and the Hub cannot be reached" in line
    assert "--local-dir" in line
    assert "--model minilm" in line
    assert connections == ([] if offline else [(("huggingface.co", 443), 5.0)])


def test_behind_a_proxy_the_client_is_asked(monkeypatch, connections):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "http://proxy:3128"})
    assert hub.hub_reachable()
    assert connections == []


def test_another_endpoint_is_asked_for_instead(monkeypatch, connections):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example:8080")
    assert not hub.hub_reachable()
    assert connections == [(("mirror.example", 8080), 5.0)]


def test_a_name_that_the_hub_does_not_know(monkeypatch):
    monkeypatch.setattr(network, "hub_reachable", lambda: True)  # the client itself is offline in the tests
    with pytest.raises(InputError, match="the encoder 'owner/nonesuch' cannot be loaded: "):
        load_tokenizer_of("owner/nonesuch")
