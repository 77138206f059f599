from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from tests.train.toy import write_corpus, write_encoder


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny matrices gain nothing from threads, and the subprocesses of some tests have one as well."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # each run collects garbage, and would look at everything that was ever imported
    yield
    gc.unfreeze()
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "tiny")
