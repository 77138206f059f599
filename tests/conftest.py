from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wnut17() -> Path:
    """The folder with the three real WNUT 2017 files."""
    folder = Path(__file__).parents[1] / "../shared/data/wnut17"
    if not folder.is_dir():
        pytest.skip("the WNUT 2017 files are not beside this checkout")
    return folder
