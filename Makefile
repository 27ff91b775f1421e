# Two commands, nothing needed beforehand but Python 3.11+ and make:
#   make quickstart   generate the benchmark, assimilate, score, rank, draw   (a few minutes)
#   make test         lint, types, tests

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Matrices here are small: on a busy machine more threads are slower, up to ten times.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

STORE  := --store sqlite:///results/dambench.db

.PHONY: quickstart data predictions scores board pictures test lint clean

quickstart: data predictions scores board pictures

data: $(VENV)/.installed
	$(BIN)/python builders/osse/build.py --preset mini --out dambench
	$(BIN)/python builders/era5_sample/build.py --out era5_sample

predictions: data
	$(BIN)/python baselines/predict.py background --data dambench --task multimodal --out results/background.nc --overwrite
	$(BIN)/python baselines/predict.py optimal_interpolation --data dambench --task multimodal --out results/optimal_interpolation.nc --overwrite
	$(BIN)/python baselines/predict.py background --data era5_sample --task unimodal --out results/era5_background.nc --overwrite
	$(BIN)/python baselines/predict.py optimal_interpolation --data era5_sample --task unimodal --out results/era5_optimal_interpolation.nc --overwrite

scores: predictions
	$(BIN)/dambench submit results/background.nc --name background --data dambench $(STORE)
	$(BIN)/dambench submit results/optimal_interpolation.nc --name optimal_interpolation --data dambench $(STORE)
	$(BIN)/dambench submit results/era5_background.nc --name background --data era5_sample $(STORE)
	$(BIN)/dambench submit results/era5_optimal_interpolation.nc --name optimal_interpolation --data era5_sample $(STORE)

board: scores
	$(BIN)/dambench leaderboard --data dambench --task multimodal $(STORE)
	$(BIN)/dambench leaderboard --data era5_sample --task unimodal $(STORE)

pictures: predictions
	$(BIN)/dambench plot results/optimal_interpolation.nc --data dambench --channel z500 --out results
	$(BIN)/dambench plot results/era5_optimal_interpolation.nc --data era5_sample --channel z500 --out results/era5

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[build]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable ".[build,era5,train,dev]"
	touch $@

clean:
	rm -rf dambench era5_sample results
