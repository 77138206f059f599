"""The room's front door: lazy names, and what is said without Keras 3 on TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

keras = pytest.importorskip("keras", reason="the extra keras is not installed")

import tagwright.keras  # noqa: E402
from tagwright.errors import InputError, MissingExtraError  # noqa: E402
from tagwright.keras import backend  # noqa: E402


def test_the_public_names_are_listed_and_lead_somewhere():
    names = ["EntityF1", "TokenClassifier", "create_optimizer", "to_tf_dataset", "token_loss"]
    assert dir(tagwright.keras) == names == sorted(tagwright.keras.__all__)
    assert all(callable(getattr(tagwright.keras, name)) for name in names)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        tagwright.keras.Nothing  # noqa: B018


def test_importing_the_room_loads_neither_engine():
    code = (
        "import sys, tagwright.keras, tagwright.keras.architecture, tagwright.keras.names, tagwright.keras.weights;"
        "dir(tagwright.keras);"
        "print(sorted({'keras', 'tensorflow', 'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_model_needs_neither_torch_nor_transformers():
    # Read from the sources: a process of its own would take seconds to load TensorFlow.
    room = Path(tagwright.keras.__file__).parent
    for file in ("architecture", "classifier", "encoder", "layers", "loss", "names", "source", "weights"):
        text = (room / f"{file}.py").read_text(encoding="utf-8")
        assert "import torch" not in text
        assert "import transformers" not in text


@pytest.mark.parametrize("package", ["keras", "tensorflow"])
def test_a_missing_package_says_what_to_install(monkeypatch, package):
    find = backend.importlib.util.find_spec
    monkeypatch.setattr(
        backend.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == package else find(name, *rest),
    )
    with pytest.raises(MissingExtraError) as caught:
        tagwright.keras.TokenClassifier  # noqa: B018
    assert str(caught.value) == f"{package} is not installed; pip install 'tagwright[keras]'"


def test_another_backend_says_what_to_set(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InputError, match="Keras runs on the backend 'jax'; set KERAS_BACKEND=tensorflow"):
        tagwright.keras.token_loss  # noqa: B018


def test_a_backend_that_cannot_be_imported_says_what_to_set(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError(f"No module named 'jax' for {name}")

    monkeypatch.setattr(backend.importlib, "import_module", fail)
    with pytest.raises(InputError, match=r"No module named 'jax'.*set KERAS_BACKEND=tensorflow"):
        backend.check_keras()


def test_settings_that_keras_does_not_take_are_named(monkeypatch, tmp_path):
    def fail(name):
        raise ValueError("Expected one of {'channels_last', 'channels_first'}. Received: junk")

    monkeypatch.setattr(backend.importlib, "import_module", fail)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        backend.check_keras()
    assert str(caught.value).startswith(f"{tmp_path / 'keras.json'}: Keras cannot be imported: Expected one")
    assert str(caught.value).endswith("Received: junk; mend that file or remove it")


def test_an_old_keras_says_what_to_install(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "2.15.0")
    with pytest.raises(MissingExtraError, match=r"keras is 2.15.0, and version 3 is needed; pip install"):
        backend.check_keras()
