from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import tiny_bundle


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The folder of a tiny bundle."""
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
