# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
BIN := .venv/bin
# what is imported is compiled when it is, the rest never
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
# small networks run best with one thread a process; the work is spread over processes
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export HF_HUB_OFFLINE ?= 1

.PHONY: demo demo-measure demo-control test test-slow lint docs bench calibrate calibration-table grokking phenomena ledger wheel clean

# two halves, a core each: the one whose progress is shown is the longer the first time
demo: .venv/runtime
	@mkdir -p reports/demo
	@$(MAKE) --no-print-directory --jobs 2 demo-measure demo-control
	@head -n 1 reports/demo/calibration.txt && cat reports/demo/organism.txt
	$(BIN)/gnomon report reports/demo --title "What gnomon does"

# are the instruments right? then a network that groks, watched and examined
demo-measure: .venv/runtime
	@$(BIN)/gnomon calibrate --quick > reports/demo/calibration.txt 2>&1 || { cat reports/demo/calibration.txt; exit 1; }
	@$(BIN)/gnomon organism modular-addition --budget 15s --out reports/demo > reports/demo/organism.txt 2>&1 \
	  || { cat reports/demo/organism.txt; exit 1; }

# a network of which everything is known (built once, then cached): a concept found in it, steered and watched
WORLD := reports/demo/world
demo-control: .venv/runtime
	rm -rf $(WORLD)
	$(BIN)/gnomon organism build world --size tiny --out $(WORLD)
	$(BIN)/gnomon directions $(WORLD) --concept $(WORLD)/concepts/toxicity.csv --method mean_difference,rfm \
	  --site blocks.1 --position mean --out reports/demo/toxicity --page reports/demo/directions
	$(BIN)/gnomon steer $(WORLD) --with reports/demo/toxicity --method mean_difference --operation project --grid 1,2,3,4 \
	  --want less --texts $(WORLD)/rude.txt --words idiot,fool,moron,pig,rat,loser,clown,scum --tokens 9 \
	  --neutral $(WORLD)/neutral.txt --prompt "question : who saw the dog ? rude reply :" \
	  --out reports/demo/polite --page reports/demo/steering
	$(BIN)/gnomon monitor fit $(WORLD) --concept $(WORLD)/concepts/toxicity.csv --method rfm --site blocks.1 \
	  --calibration $(WORLD)/concepts/toxicity_calibration.csv --test $(WORLD)/concepts/toxicity_test.csv \
	  --alpha 1% --delta 5% --out reports/demo/monitor --page reports/demo/monitoring

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-slow: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

bench: .venv/dev
	$(BIN)/python benchmarks/run.py

calibrate: .venv/runtime
	$(BIN)/gnomon calibrate

# the table in the docs: every instrument on all seeds of its known answers
calibration-table: .venv/runtime
	$(BIN)/gnomon calibrate --json > docs/calibration.json.new && mv docs/calibration.json.new docs/calibration.json

# the figure in the docs: six transformers that grok and two controls, watched
grokking: .venv/runtime
	$(BIN)/python docs/examples/grokking_transformer.py --out reports/grokking

# the verdicts and figures in the docs
phenomena: .venv/runtime
	mkdir -p reports
	$(BIN)/gnomon run all --preset quick --out reports/phenomena --json > reports/phenomena.json || test $$? -ne 2
	$(BIN)/python docs/_ext/phenomena.py < reports/phenomena.json > docs/phenomena.json
	mkdir -p docs/phenomena/figures && cp reports/phenomena/figures/*.svg docs/phenomena/figures/

# the predictions in the docs: registered, measured and scored from nothing
ledger: .venv/runtime
	rm -rf reports/ledger
	mkdir -p reports/ledger
	$(BIN)/gnomon ledger register all --store reports/ledger/store
	$(BIN)/gnomon ledger score --store reports/ledger/store --out reports/ledger --json > reports/ledger/ledger.json || test $$? -eq 3
	$(BIN)/gnomon ledger verify --store reports/ledger/store
	$(BIN)/python docs/_ext/ledger.py < reports/ledger/ledger.json > docs/ledger.json
	mkdir -p docs/figures && cp reports/ledger/figures/ledger-*.svg docs/figures/

# the built wheel installs into an empty environment and finds itself healthy there
wheel: .venv/dev
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt dist/*.whl
	cd build && empty/bin/gnomon doctor --store store
	rm -rf build/empty build/store

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

# curvlinops, an oracle of the curvature tests, asks for torchvision, which does not load beside a CPU build of torch:
# what it imports does without. Where it cannot be had, its test skips and says so.
ORACLES := curvlinops-for-pytorch==3.0.1 einconv==0.1.0 einops==0.8.2 linear_operator==0.6.1

.venv/dev: .venv/runtime
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps $(ORACLES) || echo "no curvlinops could be installed: its test will skip"
	touch $@

.venv/docs: .venv/dev
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv build dist docs/_build reports .bench
