"""The examples in the docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import tagwright

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(tagwright.__path__, "tagwright.", onerror=lambda name: None)
    if name != "tagwright.__main__"
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    if name.startswith("tagwright.keras"):
        pytest.importorskip("keras", reason="the extra keras is not installed")
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
