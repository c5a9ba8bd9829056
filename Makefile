# make demo   simulate a gene-expression table, search, train, evaluate, predict, explain; prints where the results are
# make test   ruff, mypy --strict, import-linter and pytest: all of them, and it fails if one of them fails
# make slow   the tests that take longer
# make torture  20,000 generated cases for every reader, a hundred kills, coverage-guided fuzzing where atheris is installed
# make docs   the documentation in site/, to be opened from the disk: site/index.html
# make clean  remove what the other targets made
#
# The environment is .venv, made when it is missing and brought up to date when pyproject.toml or constraints.txt change.
# Another Python: make demo PYTHON=python3.12. More test processes: make test JOBS=8.

PYTHON ?= python3
JOBS ?= 2
DEMO_DIR ?= enas_demo

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test slow torture docs clean

demo: .venv/.installed
	$(BIN)/enas demo $(DEMO_DIR)

# One thread per process: the test processes share the cores, and a sum's order of addition stays the same everywhere.
test slow torture docs: export OMP_NUM_THREADS = 1

test: .venv/.installed-test
	@failed=; \
	check() { printf '\n== %s\n' "$$*"; "$$@" || failed="$$failed\n  $$*"; }; \
	check $(BIN)/ruff check; \
	check $(BIN)/ruff format --check; \
	check $(BIN)/mypy; \
	check $(BIN)/lint-imports; \
	check $(BIN)/python .ci/audit.py; \
	check $(BIN)/pytest -n $(JOBS) --dist loadfile; \
	if [ -n "$$failed" ]; then printf '\nFailed:%b\n' "$$failed"; exit 1; fi; \
	printf '\nAll checks passed.\n'

slow: .venv/.installed-test
	$(BIN)/pytest -m slow

torture: .venv/.installed-test
	ENAS_FUZZ_CASES=20000 $(BIN)/pytest -n $(JOBS) --dist loadfile -m 'slow or not slow' tests/fuzz
	ENAS_KILLS=50 $(BIN)/pytest -n $(JOBS) --dist loadfile -m 'slow or not slow' tests/reliability
	@if $(BIN)/python -c 'import atheris' 2>/dev/null; then \
		$(BIN)/python tests/fuzz/atheris_configs.py -max_total_time=300 && $(BIN)/python tests/fuzz/atheris_tables.py; \
	else echo "atheris is not installed: coverage-guided fuzzing is left out"; fi

docs: .venv/.installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.installed: .venv/.python pyproject.toml constraints.txt
	@echo "Installing enas into .venv (the first time takes some minutes) ..."
	$(PIP) -e .
	@touch $@

.venv/.installed-test: .venv/.installed
	$(PIP) -e '.[test]'
	@touch $@

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "enas needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)."; \
		echo "Name another one: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Cannot make .venv; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

clean:
	rm -rf .venv build dist site $(DEMO_DIR) enas_digits .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
