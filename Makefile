# Everything is set up in .venv by whichever target comes first; a machine needs only Python 3.10 or newer and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check fuzz mutants lint bench docs pages samples clean

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv; sys.exit("voiceattack needs Python 3.10 or newer" if sys.version_info < (3, 10) else 0)'
	@echo "setting up .venv, 7.6 GB: a few minutes the first time, without a word until it is done"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

demo: .venv/.installed  ## the whole loop on bundled speech
	$(BIN)/voiceattack demo

# A process a core, of one torch thread each: two processes of two threads on two cores take three times as long.
test: .venv/.installed  ## every test, slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

# What takes seconds and sees most mistakes: of these files all that is not marked slow.
QUICK := tests/test_architecture.py tests/test_numbers.py tests/test_objectives.py tests/constraints tests/metrics tests/corpus \
  tests/runs tests/compare tests/docs tests/victims/test_options.py tests/victims/test_specs.py

check: lint  ## before each commit, two minutes: lint, and the tests that take seconds
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile -m "not slow" $(QUICK)

fuzz: .venv/.installed  ## damaged files of every kind, 500 of each of two seeds, and 30 kills; test runs a few
	for seed in 1 2; do VOICEATTACK_FUZZ_EXAMPLES=500 VOICEATTACK_FUZZ_SEED=$$seed $(BIN)/python -m pytest tests/fuzz tests/report/test_killed.py || exit 1; done

mutants: .venv/.installed  ## 200 faults made in copies of the code, and the share of them that the tests find
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	$(BIN)/python scripts/mutants.py

lint: .venv/.installed  ## style, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed  ## speed and comparisons, into docs/reference/benchmarks.md
	$(BIN)/python benchmarks/run.py

docs: .venv/.installed  ## the pages of docs/ as a site, in build/docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --quiet
	@echo "open build/docs/index.html"

pages: .venv/.installed  ## what is generated in the pages: tables, lists, links to the glossary
	$(BIN)/python scripts/document_attacks.py
	$(BIN)/python scripts/document_lists.py
	$(BIN)/python scripts/docs_pages.py
	$(BIN)/python scripts/link_glossary.py

samples: .venv/.installed  ## make samples/ again
	$(BIN)/python scripts/make_samples.py

clean:
	rm -rf .venv build dist
