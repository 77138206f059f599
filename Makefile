# Every target makes .venv if it is missing, with the versions in constraints.txt.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-keras test test-long check bench constraints clean

PYTHON ?= python3
# What `make bench` measures on: `wnut17` downloads it, a folder is read as it lies there.
DATA ?= wnut17
TEST_PROCESSES ?= 2
BIN := .venv/bin
READY := .venv/.ready

# Threads that wait for work sleep instead of spinning: on a busy machine that is worth a factor.
export OMP_WAIT_POLICY ?= PASSIVE

help:
	@echo "make demo         train a tagger on the bundled sample, score it, tag three sentences"
	@echo "make demo-keras   the same, trained by Keras on TensorFlow"
	@echo "make test         run the tests"
	@echo "make test-long    run the slow rounds"
	@echo "make check        format, lint, types, layers"
	@echo "make bench        run the measurements in benchmarks/"
	@echo "make constraints  pin what is installed in .venv"
	@echo "make clean        remove what the other targets wrote, except .venv"

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	touch $@

define DEMO
	$(BIN)/tagwright train --data sample --model minilm --out $(1) --overwrite --set train.epochs=10 $(2)
	$(BIN)/tagwright evaluate $(1) --data sample
	printf '%s\n' \
	  "Watching the northern lights over Tromsø with my sister Ingrid, best night of the year" \
	  "anyone else's Pixel 8 stuck on the boot screen after the update from Google?" \
	  "Saw Massive Attack play in Bristol last night and my ears are still ringing" \
	  | $(BIN)/tagwright predict $(1) --to text
endef

demo: $(READY)
	$(call DEMO,demo-tagger,)
	@printf '\n%s\n' "The tagger lies in demo-tagger. Try it on a page, or over HTTP:" \
	  "  $(BIN)/tagwright serve demo-tagger    # then open http://127.0.0.1:8000/"

demo-keras: $(READY)
	$(call DEMO,demo-keras-tagger,--engine keras)

# Files of tests are dealt to so many processes; a file stays in one.
test: $(READY)
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

test-long: $(READY)
	$(BIN)/pytest -m long

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/score.py
	$(BIN)/python benchmarks/compare.py $(DATA)
	$(BIN)/python benchmarks/encode.py $(DATA)
	$(BIN)/python benchmarks/train.py $(DATA)
	$(BIN)/python benchmarks/train.py $(DATA) --engine keras
	$(BIN)/python benchmarks/deal.py $(DATA)
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python benchmarks/f1.py $(DATA)
	$(BIN)/python benchmarks/label_errors.py $(DATA)
	$(BIN)/tagwright train --data $(DATA) --model minilm --out runs/bench --overwrite
	$(BIN)/python benchmarks/predict.py runs/bench $(DATA) --export-dir runs/exports
	$(BIN)/python benchmarks/startup.py runs/bench --export-dir runs/exports
	$(BIN)/python benchmarks/stream.py tiny $(DATA) --megabytes 20
	$(BIN)/python benchmarks/serve.py runs/bench runs/exports/onnx-fp32 $(DATA)
	$(BIN)/python benchmarks/serve.py runs/exports/onnx-fp32 $(DATA) --mixed
	$(BIN)/python benchmarks/serve_abuse.py runs/exports/onnx-fp32 $(DATA)
	$(BIN)/python benchmarks/annotate.py runs/exports/onnx-fp32 $(DATA)

# `--all` keeps setuptools, which torch needs; a local build's suffix (+cpu) would tie everybody to that build.
constraints: $(READY)
	{ sed '/^[^#]/d' constraints.txt; \
	  $(BIN)/pip freeze --all --exclude-editable | grep -vE '^(pip|wheel)==' | sed 's/+.*//' | LC_ALL=C sort -f; \
	} > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf demo-tagger demo-keras-tagger build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
