"""What one of several processes refuses, and which of them says so."""

from __future__ import annotations

import pytest
import torch

from tagwright.config import Recipe
from tagwright.errors import InputError, RunError
from tagwright.train import agreement, ending, sharding
from tagwright.train.ending import ProcessLostError, is_lost, may_say
from tagwright.train.folds import cross_probabilities
from tagwright.train.ranks import everyones, first_ones, processes, rank, summed
from tagwright.train.recipe import load_recipe
from tests.train.toy import run


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")


def test_alone_a_process_has_what_everyone_has():
    assert (rank(), processes()) == (0, 1)
    assert (everyones("mine"), first_ones("mine")) == (["mine"], "mine")
    assert summed(torch.ones(2).numpy()).tolist() == [1, 1]


def test_mpirun_tells_a_process_which_one_it_is(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "3")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    assert (rank(), processes()) == (3, 4)


def test_fewer_sentences_in_a_batch_than_processes_are_refused(two):
    with pytest.raises(
        InputError, match=r"train\.batch_size = 1 leaves some of 2 .*; raise it, or start at most 1"
    ):
        load_recipe(None, {"train.batch_size": 1}, "minilm")
    assert load_recipe(None, {"train.batch_size": 2}, "minilm").train.batch_size == 2


def test_folds_are_trained_in_one_process(two):
    with pytest.raises(InputError, match="folds are trained in one process; start it without torchrun"):
        cross_probabilities(None, Recipe.load(settings={"model.encoder": "minilm"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["full_shard", "shard_grad_op"])
def test_fsdp_is_refused_without_gpus(corpus, encoder, tmp_path, monkeypatch, strategy):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError, match=f"train.fsdp = '{strategy}' needs GPUs, and PyTorch finds none; leave it"
    ):
        run(corpus, encoder, tmp_path / "run", train__fsdp=strategy)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("ACCELERATE_USE_FSDP", r"FSDP \(accelerate launch --use_fsdp\) needs GPUs"),
        (
            "ACCELERATE_USE_DEEPSPEED",
            r"asked for DeepSpeed \(ACCELERATE_USE_DEEPSPEED\), which Tagwright does not",
        ),
        ("ACCELERATE_USE_MEGATRON_LM", "asked for Megatron-LM"),
    ],
)
def test_what_a_launcher_asks_for_is_refused_by_name(monkeypatch, variable, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv(variable, "true")
    with pytest.raises(InputError, match=told):
        load_recipe(None, {}, "minilm")
    monkeypatch.setenv(variable, "false")
    load_recipe(None, {}, "minilm")


def test_fsdp_on_gpus_is_the_recipes_and_for_several_processes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    settings = Recipe.load(settings={"train.fsdp": "full_shard"}).train
    with pytest.raises(InputError, match="this is the only one; start it with torchrun"):
        sharding.check_sharding(settings)
    monkeypatch.setenv("WORLD_SIZE", "2")
    sharding.check_sharding(settings)
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "1")
    sharding.check_sharding(settings)
    with pytest.raises(InputError, match=r"the recipe's to decide; set train\.fsdp"):
        sharding.check_sharding(Recipe.load().train)


def test_fsdp_is_for_the_engine_torch():
    with pytest.raises(InputError, match=r"train\.fsdp = 'full_shard' is for the engine torch alone"):
        load_recipe(None, {"train.fsdp": "full_shard", "train.engine": "keras"}, "minilm")


def test_processes_that_differ_are_refused_by_what_they_differ_in(corpus, encoder, tmp_path, monkeypatch):
    seen = []

    def different(value):
        seen.append(value)
        host, facts = value
        return [(host, facts), ("another", facts | {"the data": "0123456789ab"})]

    monkeypatch.setattr(agreement, "among_several", lambda: True)
    monkeypatch.setattr(agreement, "everyones", different)
    with pytest.raises(
        InputError, match=r"process 1 on another differ in the data: .* and 0123456789ab; give every"
    ):
        run(corpus, encoder, tmp_path / "run", train__epochs=1)
    facts = seen[0][1]
    assert facts["the checkpoint to go on from"] == "none"
    assert facts["train.batch_size"] == "8"
    assert "the version of torch" in facts


def test_an_end_of_another_process_is_told_from_an_error_of_this_one():
    closed = "[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:52368"
    assert is_lost(RuntimeError(closed))
    assert is_lost(torch.distributed.DistBackendError("NCCL"))
    assert not is_lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost(ConnectionResetError("Connection reset by peer"))  # of a tracker, say


class Store:
    """What processes share."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, key: str, amount: int) -> int:
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]


def test_one_process_reports_what_all_fail_for(two, monkeypatch):
    store = Store()
    monkeypatch.setattr(ending, "_store", lambda: store)
    same = [may_say(InputError("no such recipe")) for _ in range(3)]
    assert same == [True, False, False]
    assert may_say(InputError("something else"))
    assert not may_say(ProcessLostError("another process of this run has ended"))


def test_where_none_told_why_the_first_that_notices_reports(two, monkeypatch):
    store = Store()
    monkeypatch.setattr(ending, "_store", lambda: store)
    assert [may_say(ProcessLostError("ended")) for _ in range(2)] == [True, False]


def test_without_a_launcher_errors_are_reported_all_the_same(two, monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    assert may_say(RunError("the disk is full"))
    assert not may_say(ProcessLostError("ended"))
    monkeypatch.setenv("RANK", "0")
    assert may_say(ProcessLostError("ended"))
