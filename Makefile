PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: lab test mutation lint clean

lab: $(VENV)/.lab
	$(BIN)/banditlab compare --out runs/compare

test: $(VENV)/.test
	$(BIN)/python -m pytest

# Not part of the tests: small errors planted into the source, and whether the tests find them.
mutation: $(VENV)/.mutation
	nice -n 10 $(BIN)/python -m benchmarks.mutation

lint: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The test environment holds all that the lab needs, so that neither command undoes the other.
$(VENV)/.lab: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[llm,figures]"
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[llm,figures,test]"
	@touch $@

$(VENV)/.mutation: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[llm,figures,test,mutation]"
	@touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info
