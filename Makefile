# Needs the environment that launch/test makes; `make test` makes it.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)
FAST := tests/core tests/guards tests/scenes tests/cli

.PHONY: check format test

check:  ## lint, format, types, import contract, fast tests
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)ty check --quiet
	$(BIN)lint-imports
	$(BIN)python -m pytest -q $(FAST)

format:  ## lay the code out anew
	$(BIN)ruff check --fix --select I .
	$(BIN)ruff format .

test:  ## everything, the launcher and the browser included
	launch/test
