from __future__ import annotations

from pathlib import Path

import pytest

from tagwright.cli.main import run
from tests.train.toy import write_corpus, write_encoder


@pytest.fixture
def call(request, capsys):
    """Run the module's `COMMAND` in this process; return exit code, stdout and stderr."""

    def run_it(*arguments):
        code = run([request.module.COMMAND, *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert "internal error" not in err
        return code, out, err

    return run_it


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "tiny")
