# Two commands set everything up on a fresh machine with Python and make: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo reproduce-tables test lint format docs readme bench bench-gpu build clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY) ## train LIIF and LM-LIIF on shipped photographs, compare them at six scales; results in demo/ (minutes)
	rm -rf demo
	$(BIN)/lmf-sr train -m experiment=demo decoder=liif,lm-liif hydra.sweep.dir=demo 'hydra.sweep.subdir=$${decoder.name}'
	$(BIN)/lmf-sr compare models=[bicubic,demo/liif/last.ckpt,demo/lm-liif/last.ckpt] scale=[2,2.7,3,4,6,8] \
		lr_size=[32,32] hydra.run.dir=demo

PLAN    ?= $(or $(PROFILE),demo)
DATA    ?=
reproduce-tables: $(READY) ## the paper's tables and figures, into reproduce/: PLAN=demo (minutes), bench or paper (with DATA=...)
	$(BIN)/lmf-sr reproduce plan=$(PLAN) $(if $(DATA),root=$(DATA)) $(ARGS)

test: $(READY) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 8

lint: $(READY) ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror src/lmf_sr/kernels/*.[ch]
	$(BIN)/mypy

format: $(READY) ## put the code in the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i src/lmf_sr/kernels/*.[ch]

docs: $(READY) ## build the documentation site into site/
	$(BIN)/mkdocs build --strict

readme: $(READY) ## make the pictures of the README anew, into docs/readme/
	$(BIN)/python -m benchmarks.readme

bench: $(READY) ## measure speed and memory, side by side; results in benchmarks/results/
	$(BIN)/python -m benchmarks

MINUTES ?= 4
bench-gpu: $(READY) ## all that a GPU has to tell in MINUTES=4, pixels checked; results in benchmarks/results/
	$(BIN)/python -m benchmarks.gpu --minutes $(MINUTES)

build: $(READY) ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
