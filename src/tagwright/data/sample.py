"""The corpus that comes with Tagwright, for the demo and the tests."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

__all__ = ["sample_files"]


def sample_files() -> dict[str, Path]:
    """Return the CoNLL file of each split."""
    folder = Path(str(resources.files("tagwright.data"))) / "sample"
    return {split: folder / f"{split}.conll" for split in ("train", "validation", "test")}
