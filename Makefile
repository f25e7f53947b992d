PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= runs
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 1000

.PHONY: run test lint docs notebooks links attack bench clean

run: $(VENV)/installed                ## train on two small graphs, draw the attention, then answer the whole report
	@for data in six-node imports; do for model in gcn gat; do \
	  echo "graphreel gnn train --data $$data --model $$model --out $(RUNS)/$$data-$$model"; \
	  $(BIN)/graphreel gnn train --data $$data --model $$model --out $(RUNS)/$$data-$$model --overwrite --quiet || exit; \
	done; $(BIN)/graphreel gnn attention $(RUNS)/$$data-gat > /dev/null || exit; done
	@$(BIN)/graphreel runs $(RUNS)
	$(BIN)/graphreel report --quick --out $(RUNS)/report

test: $(VENV)/installed-dev           ## every test but the long campaigns, then the linters
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
	$(MAKE) lint

attack: $(VENV)/installed-dev         ## long campaigns: kills, damaged files, random graphs and sequences
	$(BIN)/python -m pytest -m attack

lint: $(VENV)/installed-dev links     ## ruff, and mypy over the package as it is when installed
	$(BIN)/ruff check .
	cd build/package && $(abspath $(BIN))/mypy --config-file $(CURDIR)/setup.cfg --cache-dir $(CURDIR)/.mypy_cache

docs: $(VENV)/installed-dev links     ## the site in build/site; a warning is an error
	PYTHONPATH=docs/.extensions $(BIN)/zensical build --strict --clean

notebooks: $(VENV)/installed-dev      ## examples/*.ipynb out of the scripts beside them
	cd examples && $(abspath $(BIN))/jupytext --quiet --to notebook *.py

links:                                # the rooms inside graphreel, where they are when installed
	@rm -rf build/package && mkdir -p build/package/graphreel
	@ln -s $(CURDIR)/graphreel/* $(addprefix $(CURDIR)/,data gnn rnn combined) build/package/graphreel/

bench: $(VENV)/installed-dev          ## the tables of benchmarks/: minutes each
	for name in gcn gat rnn compiled batches accelerate combined neighbor_memory neighbor_sampler; do $(BIN)/python -m benchmarks.$$name || exit; done
	$(BIN)/python -m benchmarks.gpu || [ $$? = 2 ]  # says so where there is no GPU

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(RUNS) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
