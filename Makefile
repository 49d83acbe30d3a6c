# What can be done here; `make` alone lists it. Works with GNU make 3.81, the one that macOS brings.

BIN := .venv/bin
LOCKED := pyproject.toml uv.lock requirements.lock requirements-dev.lock scripts/venv.sh

CHAOS := 100
FUZZ := 200
SEED := 1

.PHONY: help venv demo up test fuzz chaos check lint bench lock clean

help: ## List what can be done
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

venv: .venv/.ready-dev ## Make .venv, with all that working on Barhouse needs

demo: .venv/.ready ## Real bars in a real database, nothing to configure (ARGS=--once ends by itself)
	@$(BIN)/barhouse demo $(ARGS)

up: .venv/.ready ## Run Barhouse with real vendors
	@$(BIN)/barhouse up $(ARGS)

test: lint ## Everything that must hold: the checks, then all tests (ARGS=… goes to pytest)
	@sh scripts/chromium.sh install
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

fuzz: .venv/.ready-dev ## Random questions to the whole API, FUZZ=200 of them to each operation
	FUZZ=$(FUZZ) $(BIN)/pytest -n 2 tests/contract/openapi $(ARGS)

chaos: .venv/.ready-dev ## Random blows to a running system, CHAOS=100 of them from SEED=1 on
	$(BIN)/python -m tests.chaos $(CHAOS) $(SEED)

check: lint ## Style, types, layers, and that nothing is undocumented
	$(BIN)/pytest -q tests/contract/test_reference.py

lint: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.ready-dev ## Measure each figure of the README
	$(BIN)/python -m bench $(ARGS)

lock: ## Resolve the dependencies anew (needs uv)
	uv lock
	uv export --frozen --no-hashes --no-emit-project --no-annotate --no-header --no-dev --extra demo -o requirements.lock
	uv export --frozen --no-hashes --no-emit-project --no-annotate --no-header --all-extras -o requirements-dev.lock

clean: ## Remove .venv and all caches; data stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: $(LOCKED)
	@sh scripts/venv.sh run

.venv/.ready-dev: $(LOCKED)
	@sh scripts/venv.sh dev
