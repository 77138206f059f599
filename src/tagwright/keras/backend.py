"""Whether Keras can be used here: installed, version 3, on TensorFlow."""

from __future__ import annotations

import importlib
import importlib.util
import os

from tagwright.errors import InputError, MissingExtraError

__all__ = ["check_keras"]

INSTALL = "pip install 'tagwright[keras]'"


def check_keras() -> None:
    """Refuse to go on without Keras 3 on TensorFlow.

    Raises:
        MissingExtraError: Keras or TensorFlow is not installed, or Keras is older than 3.
        InputError: Keras runs on another backend.
    """
    for package in ("keras", "tensorflow"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"{package} is not installed", mend=INSTALL)
    try:
        keras = importlib.import_module("keras")
    except ImportError as error:  # such as a backend that is chosen and not installed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Keras cannot be imported: {reason}", mend="set KERAS_BACKEND=tensorflow"
        ) from error
    except Exception as error:  # a settings file that Keras does not take; it says not which
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Keras cannot be imported: {reason}", where=_settings(), mend="mend that file or remove it"
        ) from error
    if int(keras.__version__.partition(".")[0]) < 3:
        raise MissingExtraError(f"keras is {keras.__version__}, and version 3 is needed", mend=INSTALL)
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(
            f"Keras runs on the backend {backend!r}", mend="set KERAS_BACKEND=tensorflow before Python starts"
        )


def _settings() -> str:
    """Return the path of the file from which Keras reads its settings as it is imported."""
    home = os.path.expanduser("~")
    folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")  # as Keras has it
    return os.path.join(os.environ.get("KERAS_HOME", folder), "keras.json")
