PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: lab test test-peers mutation lint clean

lab: $(VENV)/.lab
	$(BIN)/banditlab compare --out runs/compare

# A process for each core, whole files each; more threads in them would only get in each other's way.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# Not part of the tests: our rules against those of other libraries, in an environment of its own.
test-peers: $(PEERS)/.peers
	OMP_NUM_THREADS=1 $(PEERS)/bin/python -m pytest tests/peers

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
	$(PIP) --editable ".[llm,lora,accelerate,trl,tensorboard,figures,test]"
	@touch $@

$(VENV)/.mutation: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[llm,figures,test,mutation]"
	@touch $@

# OpenRLHF and verl ask for versions that exclude each other; their losses need none of them.
$(PEERS)/.peers: pyproject.toml constraints-peers.txt | $(PEERS)/bin/python
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-peers.txt --editable ".[testing,peers]"
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-peers.txt --no-deps openrlhf verl
	@touch $@

$(PEERS)/bin/python:
	$(PYTHON) -m venv $(PEERS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
