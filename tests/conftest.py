from __future__ import annotations

import atexit
import importlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

# The same examples on every run, and no deadline: the clock of a shared machine says nothing.
hypothesis.settings.register_profile("tagwright", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tagwright")

# Set before any library reads them: no test uses the network, spins on a busy core, or sees the user's data.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "KERAS_HOME": tempfile.mkdtemp(prefix="tagwright-"),  # Keras writes its settings on import
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
os.environ.pop("TAGWRIGHT_DATA", None)
atexit.register(shutil.rmtree, os.environ["KERAS_HOME"], ignore_errors=True)

# A shell starts background jobs with Ctrl-C ignored, and children inherit that; the tests of Ctrl-C need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def wnut17() -> Path:
    """The folder with the three real WNUT 2017 files."""
    folder = Path(__file__).parents[1] / "../shared/data/wnut17"
    if not folder.is_dir():
        pytest.skip("the WNUT 2017 files are not beside this checkout")
    return folder


@pytest.fixture
def load_benchmark(monkeypatch) -> Callable[[str], ModuleType]:
    """Import a benchmark, or what it is made of, by its name."""
    folder = Path(__file__).parents[1] / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))

    def import_it(name: str) -> ModuleType:
        module = importlib.import_module(name)
        assert Path(module.__file__ or "").parent == folder
        return module

    return import_it
