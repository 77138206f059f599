"""The bundle on disk: plain transformers loads it, crashes leave it whole, damage is said in one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

from tagwright.errors import InputError, RunError
from tagwright.model.bundle import BundleMeta, load_model, load_tokenizer, read_meta, save_bundle
from tagwright.model.huggingface import piece_limit
from tagwright.tags import Scheme
from tests.models import LABELS, TEXT, tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bundle(tmp_path):
    return tiny_bundle(tmp_path / "run", made={"seed": 42, "scores": {"f1": 0.5}})


@pytest.mark.parametrize("kind", ["distilbert", "bert", "roberta", "unigram"])
def test_plain_transformers_loads_it_unchanged(tmp_path, kind):
    folder = tiny_bundle(tmp_path / "run", kind)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
    assert [model.config.id2label[position] for position in range(len(LABELS))] == LABELS
    assert model.config.label2id["B-person"] == LABELS.index("B-person")
    ours = load_model(folder)
    assert not ours.training
    for name, tensor in tiny_model(kind).state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
        assert torch.equal(tensor, ours.state_dict()[name])
    tagger = transformers.pipeline("token-classification", model=str(folder), aggregation_strategy="simple")
    found = tagger(TEXT[:60])
    assert found
    assert {entity["entity_group"] for entity in found} <= {name[2:] for name in LABELS}


def test_everything_comes_back(bundle):
    meta = read_meta(bundle)
    assert meta.labels == LABELS
    assert meta.label_map.scheme is Scheme.IOB2
    assert (meta.max_pieces, meta.overlap, meta.splitter, meta.valid_tags) == (64, 16, "english", True)
    assert meta.made == {"seed": 42, "scores": {"f1": 0.5}}
    assert meta.notices == []
    assert set(meta.files) == {path.name for path in bundle.iterdir()} - {"tagwright.json"}


def test_the_tokenizer_needs_no_transformers(bundle):
    code = (
        "import sys; from tagwright.model.bundle import load_tokenizer, read_meta;"
        "read_meta(sys.argv[1]); ids = load_tokenizer(sys.argv[1]).encode('New York').ids;"
        "assert not {'transformers', 'torch'} & set(sys.modules); print(ids)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == build_tokenizer("distilbert")("New York")["input_ids"]


def test_the_tokenizer_neither_pads_nor_cuts(tmp_path):
    tokenizer = build_tokenizer("distilbert")
    tokenizer(["New York"], truncation=True, max_length=4, padding="max_length")  # it remembers both
    labels = ["O", "I-x"]
    meta = BundleMeta(scheme="io", labels=labels, max_pieces=64)
    save_bundle(tmp_path, tiny_model(labels=labels), tokenizer, meta)
    assert len(load_tokenizer(tmp_path).encode("the the " * 8).ids) == 18
    assert len(load_tokenizer(tmp_path).encode("").ids) == 2


def test_no_pickle_inside(bundle):
    for file in bundle.iterdir():
        assert file.suffix in (".json", ".safetensors")


def test_loading_is_quiet_and_puts_the_settings_back(bundle, capfd):
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_model(bundle)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


# A save may be cut off at any moment

DYING = """
import os, shutil, sys
from pathlib import Path
from tests.models import LABELS, BundleMeta, save_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

first, work = map(Path, sys.argv[1:])
model, tokenizer = tiny_model("roberta", seed=1, positions=32), build_tokenizer("roberta")
meta = BundleMeta(scheme="iob2", labels=LABELS, max_pieces=32, made={"seed": 1})
events = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"}
for last in range(100):
    folder = work / f"{last:03}"
    shutil.copytree(first, folder)
    if (child := os.fork()) == 0:
        seen = 0

        def die(event, args):
            global seen
            if event in events and str(folder) in str(args[0]):
                seen += 1
                if seen > last:
                    os._exit(9)

        sys.addaudithook(die)
        save_bundle(folder, model, tokenizer, meta)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(code)
    if code == 0:
        break
"""


def state(folder):
    """Return the seed of the bundle that a reader gets; weights, tokenizer and settings must agree."""
    meta = read_meta(folder)
    seed = meta.made["seed"]
    kind = "roberta" if seed else "distilbert"
    assert meta.max_pieces == (32 if seed else 64)
    same_weights(load_model(folder), kind, seed)
    assert load_tokenizer(folder).encode(TEXT).ids == build_tokenizer(kind)(TEXT)["input_ids"]
    return seed


def same_weights(model, kind, seed):
    weights = model.state_dict()
    expected = tiny_model(kind, seed=seed, positions=32 if seed else 64).state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_save_that_dies_anywhere_leaves_the_old_bundle_or_the_new_one(tmp_path):
    """A process dies before each file operation in turn, until one gets through."""
    first, work = tiny_bundle(tmp_path / "first", made={"seed": 0}), tmp_path / "work"
    (first / "checkpoints").mkdir()
    (first / "checkpoints" / "state.pt").write_bytes(b"kept")
    (first / "report.html").write_text("kept")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DYING, str(first), str(work)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) > 15
    assert codes == [9] * (len(codes) - 1) + [0]
    seeds, loud = [], 0
    for folder in sorted(work.iterdir()):
        if (folder / "config.json").exists():  # plain transformers: one of the two, never a mixture
            kind = json.loads((folder / "config.json").read_text())["model_type"]
            model = transformers.AutoModelForTokenClassification.from_pretrained(folder)
            same_weights(model, kind, int(kind == "roberta"))
        else:
            loud += 1
        seeds.append(state(folder))
        assert (folder / "checkpoints" / "state.pt").read_bytes() == b"kept"
        assert (folder / "report.html").read_text() == "kept"
        assert not (folder / ".bundle-ready").exists()
    assert seeds == sorted(seeds)  # the old one up to some moment, the new one ever after
    assert (seeds[0], seeds[-1]) == (0, 1)
    assert loud > 0


def test_a_save_after_a_cut_off_one_works(bundle):
    (bundle / ".bundle-new").mkdir()
    (bundle / ".bundle-new" / "half").write_text("")
    tiny_bundle(bundle, seed=3, made={"seed": 3})
    assert read_meta(bundle).made == {"seed": 3}
    assert not [path for path in bundle.iterdir() if path.name.startswith(".")]


def test_files_of_the_earlier_bundle_do_not_linger(bundle):
    record = json.loads((bundle / "tagwright.json").read_text())
    record["files"] |= {"merges.txt": 3, "../outside": 1}
    (bundle / "tagwright.json").write_text(json.dumps(record))
    (bundle / "merges.txt").write_text("old")
    (bundle / "mine.txt").write_text("mine")
    (bundle.parent / "outside").write_text("mine")
    tiny_bundle(bundle)
    assert not (bundle / "merges.txt").exists()
    assert (bundle / "mine.txt").exists()
    assert (bundle.parent / "outside").exists()


def test_a_cut_off_save_in_a_folder_that_cannot_be_written(bundle, monkeypatch):
    (bundle / ".bundle-ready").mkdir()
    (bundle / "config.json").rename(bundle / ".bundle-ready" / "config.json")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(
        RunError, match=r"run: the last save was cut off .*: Permission denied; open the folder"
    ):
        read_meta(bundle)
    monkeypatch.undo()
    assert read_meta(bundle).labels == LABELS


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to mount a small tmpfs")
@pytest.mark.parametrize("room", [40, 128, 200])
def test_a_full_disk_leaves_the_old_bundle(tmp_path, room):
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={room + 160}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    try:
        folder = tiny_bundle(disk / "run", made={"seed": 0})
        for _ in range(2):
            with pytest.raises(RunError) as caught:
                tiny_bundle(folder, "roberta", seed=1, positions=1000 if room > 100 else 64)
            line = str(caught.value)
            assert "the disk is full" in line
            assert "the earlier bundle is still there" in line
            assert "\n" not in line
            assert state(folder) == 0
            assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# Damage, each said in one line


def edit(bundle, **values):
    record = json.loads((bundle / "tagwright.json").read_text()) | values
    (bundle / "tagwright.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: shutil.rmtree(b), "run: there is no such folder; name the folder that `tagwright train"),
        (lambda b: (shutil.rmtree(b), b.write_text("")), "run: is a file, not a bundle's folder"),
        (lambda b: (shutil.rmtree(b), b.mkdir()), "run: this is not a bundle: there is no config.json in it"),
        (lambda b: (b / "tagwright.json").write_text('{\n"a": \n}'), "tagwright.json:3: not JSON"),
        (lambda b: (b / "tagwright.json").write_text("[]"), "tagwright.json: not a JSON object"),
        (lambda b: (b / "tagwright.json").write_bytes(b"\xff\xfe"), "tagwright.json: cannot be read"),
        (
            lambda b: edit(b, schema_version=99),
            "schema_version 99, this Tagwright reads up to 3; pip install",
        ),
        (lambda b: edit(b, schema_version="x"), "tagwright.json: schema_version: input should be"),
        (lambda b: edit(b, max_pieces=1), "tagwright.json: max_pieces: input should be greater"),
        (lambda b: edit(b, max_pieces=9999), "tagwright.json: max_pieces is 9999, and the encoder takes 64"),
        (lambda b: edit(b, scheme="iob9"), "tagwright.json: scheme: input should be"),
        (lambda b: edit(b, labels=["O", "B-x"]), "config.json has the labels O, B-corporation"),
        (lambda b: edit(b, scheme="io"), "the tag 'B-corporation' does not belong to the scheme io"),
        (lambda b: (b / "config.json").write_text("{"), "config.json:1: not JSON"),
        (lambda b: (b / "tokenizer.json").unlink(), "run: the folder has no tokenizer"),
        (lambda b: (b / "model.safetensors").unlink(), "run: model.safetensors is missing; copy the bundle"),
        (
            lambda b: (b / "model.safetensors").write_text("version https://git-lfs"),
            "the weights have 23 bytes",
        ),
    ],
)
def test_damage_is_named_in_one_line(bundle, damage, message):
    damage(bundle)
    with pytest.raises(InputError) as caught:
        read_meta(bundle)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damage_inside_the_files(bundle):
    weights = bundle / "model.safetensors"
    weights.write_bytes(b"\xff" * weights.stat().st_size)
    with pytest.raises(InputError, match="run: the model cannot be loaded"):
        load_model(bundle)
    (bundle / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer.json: the tokenizer cannot be read"):
        load_tokenizer(bundle)


def test_unknown_keys_are_ignored(bundle):
    edit(bundle, colour="red", notices=["planted"])
    assert read_meta(bundle).notices == []


def test_labels_that_disagree_with_the_model_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="id2label"):
        save_bundle(
            tmp_path,
            tiny_model(),
            build_tokenizer("distilbert"),
            BundleMeta(scheme="io", labels=["O"], max_pieces=64),
        )


def test_a_slow_tokenizer_is_not_saved(tmp_path):
    class Slow:
        pass

    with pytest.raises(InputError, match="Slow has no fast version"):
        save_bundle(tmp_path, tiny_model(), Slow(), BundleMeta(scheme="iob2", labels=LABELS, max_pieces=64))


# Plain Hugging Face folders


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (LABELS, Scheme.IOB2),
        (["B-LOC", "B-ORG", "I-LOC", "I-ORG", "O"], Scheme.IOB2),
        (["B-LOC", "B-ORG", "I-LOC", "I-ORG", "I-PER", "O"], Scheme.IOB1),
        (["O", "B-x", "I-x", "E-x", "S-x"], Scheme.BIOES),
        (["O", "B-x", "I-x", "L-x", "U-x"], Scheme.BILOU),
        (["O", "I-x"], Scheme.IO),
        (["O", "x"], Scheme.IO),
        (["NOUN", "VERB"], Scheme.WORD),
    ],
)
def test_a_plain_folder_will_do(tmp_path, labels, scheme):
    tiny_model(labels=labels).save_pretrained(tmp_path)
    build_tokenizer("distilbert").save_pretrained(tmp_path)
    meta = read_meta(tmp_path)
    assert (meta.scheme, meta.labels, meta.max_pieces) == (scheme, labels, 64)
    assert "has no tagwright.json: took the scheme " + scheme.value in meta.notices[0]


def test_an_encoder_alone_will_not_do(tmp_path):
    tiny_model().distilbert.save_pretrained(tmp_path)
    build_tokenizer("distilbert").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="this folder holds a DistilBertModel, not a token-classification"):
        read_meta(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": None}))
    with pytest.raises(InputError, match=r"the weights lack classifier.bias, classifier.weight"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("model.safetensors", "there are no weights"), ("tokenizer.json", "has no tokenizer")],
)
def test_a_plain_folder_that_lacks_a_file(tmp_path, name, message):
    tiny_model().save_pretrained(tmp_path)
    build_tokenizer("distilbert").save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=message):
        read_meta(tmp_path)


def test_a_plain_folder_with_a_vocabulary_alone(tmp_path):
    tiny_model("bert").save_pretrained(tmp_path)
    vocabulary = build_tokenizer("distilbert").get_vocab()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    assert read_meta(tmp_path).labels == LABELS
    assert (
        load_tokenizer(tmp_path).encode("New York").ids
        == build_tokenizer("distilbert")("New York")["input_ids"]
    )


@pytest.mark.parametrize(
    ("config", "own", "limit"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 1e30, 512),
        ({"model_type": "bert", "max_position_embeddings": 512}, 256, 256),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, None, 512),
        ({"model_type": "t5", "n_positions": 512}, None, 512),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, None, 512),
    ],
)
def test_how_many_pieces_an_encoder_takes(config, own, limit):
    assert piece_limit(config, own) == limit
