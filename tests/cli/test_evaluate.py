"""`tagwright evaluate` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tagwright as tw
from tests.models import tiny_bundle
from tests.train.toy import conll

LABELS = ["O", "B-location", "I-location", "B-person", "I-person"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "run", labels=LABELS)


COMMAND = "evaluate"


def test_json_is_one_object_and_nothing_else(call, bundle, corpus):
    code, out, err = call(bundle, "--data", corpus, "--precision", "fp32", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert json.loads(out) == tw.evaluate(bundle, corpus, precision="fp32").to_dict()


def test_a_table_per_type_with_four_decimals(call, bundle, corpus):
    code, out, err = call(bundle, "--data", corpus, "--precision", "fp32")
    assert (code, err) == (0, "")
    scores = tw.evaluate(bundle, corpus, precision="fp32").to_dict()
    [row] = [line for line in out.splitlines() if line.startswith("person")]
    person = scores["lenient"]["per_type"]["person"]
    assert f"{person['precision']:.4f} {person['recall']:.4f} {person['f1']:.4f}" in row
    assert f"accuracy {scores['accuracy']:.4f}" in out


def test_another_split(call, bundle, corpus):
    code, out, _ = call(bundle, "--data", corpus, "--split", "validation", "--json")
    assert code == 0
    assert json.loads(out)["sentences"] == 16


def test_notices_go_to_stderr(call, bundle, tmp_path):
    file = tmp_path / "test.conll"
    file.write_text(conll([[("bad", "B-event"), ("storm", "O")]]))
    code, out, err = call(bundle, "--data", file, "--json")
    assert code == 0
    assert json.loads(out)["lenient"]["support"] == 1
    assert err == "tagwright: the tagger does not know B-event: all of them count as missed\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "dev"], "the data has no dev split, only train, validation, test"),
        (["--precision", "fp8"], "'fp8' is not one of 'auto', 'fp32', 'bf16', 'int8'"),
        (["--scheme", "iob9"], "scheme"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(call, bundle, corpus, arguments, message):
    code, out, err = call(bundle, "--data", corpus, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_no_bundle_is_one_line_and_2(call, corpus, tmp_path):
    code, out, err = call(tmp_path / "none", "--data", corpus)
    assert (code, out) == (2, "")
    assert err == (
        f"tagwright: error: {tmp_path / 'none'}: there is no such folder; "
        "name the folder that `tagwright train --out` wrote\n"
    )
