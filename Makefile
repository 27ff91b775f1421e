# Three commands, nothing needed beforehand but Python 3.11+ and make:
#   make quickstart   generate the benchmark, assimilate, score, rank, draw   (a few minutes)
#   make serve        the leaderboard, with all baselines, on http://127.0.0.1:7860
#   make test         lint, types, tests
# And two that take hours, for the tables of baselines/README.md:
#   make --jobs 2 baselines
#   make --jobs 2 cycles

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Matrices here are small: on a busy machine more threads are slower, up to ten times.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

STORE  := --store sqlite:///results/dambench.db

.PHONY: quickstart data predictions scores board pictures serve baselines cycles test lint clean

# The three data sets are made, and assimilated, beside each other.
quickstart: $(VENV)/.installed
	$(MAKE) --no-print-directory --jobs 2 --output-sync=line predictions
	$(MAKE) --no-print-directory PREDICTED=yes board pictures

SETS := dambench era5_sample synop
.PHONY: $(SETS:%=data-%) $(SETS:%=predictions-%)

data: $(SETS:%=data-%)
data-dambench: $(VENV)/.installed
	$(BIN)/python builders/osse/build.py --preset mini --out dambench
data-era5_sample: $(VENV)/.installed
	$(BIN)/python builders/era5_sample/build.py --out era5_sample
data-synop: $(VENV)/.installed
	$(BIN)/python builders/synop/build.py --out synop

predictions: $(SETS:%=predictions-%)
predictions-dambench: data-dambench
	$(BIN)/python baselines/predict.py background --data dambench --task multimodal --out results/multimodal/background.nc --overwrite
	$(BIN)/python baselines/predict.py optimal_interpolation --data dambench --task multimodal --out results/multimodal/optimal_interpolation.nc --overwrite
predictions-era5_sample: data-era5_sample
	$(BIN)/python baselines/predict.py background --data era5_sample --task unimodal --out results/era5/background.nc --overwrite
	$(BIN)/python baselines/predict.py optimal_interpolation --data era5_sample --task unimodal --out results/era5/optimal_interpolation.nc --overwrite
predictions-synop: data-synop
	$(BIN)/python baselines/predict.py background --data synop --task synop --out results/synop/background.nc --overwrite
	$(BIN)/python baselines/predict.py optimal_interpolation --data synop --task synop --out results/synop/optimal_interpolation.nc --overwrite

scores: $(if $(PREDICTED),,predictions)
	$(BIN)/dambench submit results/multimodal/background.nc --name background --data dambench $(STORE)
	$(BIN)/dambench submit results/multimodal/optimal_interpolation.nc --name optimal_interpolation --data dambench $(STORE)
	$(BIN)/dambench submit results/era5/background.nc --name background --data era5_sample $(STORE)
	$(BIN)/dambench submit results/era5/optimal_interpolation.nc --name optimal_interpolation --data era5_sample $(STORE)
	$(BIN)/dambench submit results/synop/background.nc --name background --data synop $(STORE)
	$(BIN)/dambench submit results/synop/optimal_interpolation.nc --name optimal_interpolation --data synop $(STORE)

board: scores
	$(BIN)/dambench leaderboard --data dambench --task multimodal $(STORE)
	$(BIN)/dambench leaderboard --data era5_sample --task unimodal $(STORE)
	$(BIN)/dambench leaderboard --data synop --task synop $(STORE)

pictures: $(if $(PREDICTED),,predictions)
	$(BIN)/dambench plot results/multimodal/optimal_interpolation.nc --data dambench --channel z500 --out results
	$(BIN)/dambench plot results/era5/optimal_interpolation.nc --data era5_sample --channel z500 --out results/era5
	$(BIN)/dambench plot results/synop/optimal_interpolation.nc --data synop --channel t2m --out results/synop

# All recorded baselines are on the board; those that quickstart predicted are submitted again to give their pages maps.
serve: data | $(VENV)/.installed-app
	for method in background optimal_interpolation; do \
	  test ! -f results/multimodal/$$method.nc || \
	  $(BIN)/dambench submit results/multimodal/$$method.nc --name $$method --data dambench $(STORE) --folder results/board || exit; \
	done
	$(BIN)/python leaderboard_app/app.py --data dambench $(STORE) --folder results/board --dev-user "$${USER:-me}"

# A run is METHOD-SEED.
SEEDS   ?= 0 1 2
CLASSICAL := background optimal_interpolation var3d
ENSEMBLES := letkf enkf hybrid particle_filter
# These assimilate radiation, too, where there is some: a second row, of the task multimodal.
SEEING  := var3d letkf enkf hybrid
METHODS := adas conv_cnp fnp sda slams vae_var
RUNS    := $(foreach seed,$(SEEDS),$(METHODS:%=%-$(seed)))
MULTI   := $(METHODS:%=multi_%-0) $(METHODS:%=longer_%-0)
# The first stage of slams is an analysis of its own, without diffusion.
STAGES  := $(SEEDS:%=slams_autoencoder-%)
method   = $(firstword $(subst -, ,$*))
TRAIN    = $(BIN)/python baselines/train.py --data dambench --seed $(lastword $(subst -, ,$*))
PREDICT  = $(BIN)/python baselines/predict.py --data dambench --out $@ --overwrite
# Methods that sample keep their members, as many as their run files have: 0.56 GB before compression.
MEMBERS  = $(if $(filter %sda %slams,$(method)),--members 8)
# Half as many epochs more, from the trained method: with the adapter, or, to compare, without.
MORE     = --config baselines/$(method)/mini.yaml initial=runs/$*/best $(HALF)
HALF     = $(shell sed -n 's/^epochs: //p' baselines/$(method)/mini.yaml | awk '{print "epochs=" $$1 / 2}')

# Rows of other tasks, for their boards and curves. At 10 % of the points and more 3D-Var takes hours.
ELSEWHERE := $(addprefix multimodal/,background optimal_interpolation) noisy/var3d stations/var3d \
  $(foreach task,$(addprefix density-,01 02 05 10 20) noisy coarse network stations,$(addprefix $(task)/,background optimal_interpolation letkf)) \
  $(foreach density,01 02 05,density-$(density)/var3d)
# At real stations, from data of their own.
SYNOP     := $(addprefix synop/,background optimal_interpolation)
ROWS      := $(CLASSICAL) $(ENSEMBLES) $(SEEING:%=multi_%) $(ELSEWHERE) $(SYNOP) $(RUNS) $(STAGES) $(MULTI)

# A row that is recorded is not made again; delete its record to do so.
baselines: $(foreach row,$(ROWS),$(if $(wildcard baselines/scores/$(row).json),,baselines/scores/$(row).json))
	$(BIN)/python baselines/table.py baselines/scores --task unimodal
	$(BIN)/python baselines/table.py baselines/scores baselines/scores/multimodal --task multimodal
	$(BIN)/python baselines/table.py baselines/scores/synop
# A make of its own for each row trains, predicts and records it before the next row begins.
baselines/scores/%.json: | dambench/manifest.json ensemble/manifest.json
	$(MAKE) --no-print-directory results/$*.nc
	$(BIN)/python baselines/record.py results/$*.nc --data ensemble --runs runs --out $(@D)
$(SYNOP:%=baselines/scores/%.json): baselines/scores/%.json: | synop/manifest.json
	$(MAKE) --no-print-directory results/$*.nc
	$(BIN)/python baselines/record.py results/$*.nc --data synop --runs runs --out $(@D)
# They train from the same host or first stage, and two makes must not do so at once.
$(SEEDS:%=baselines/scores/slams-%.json): baselines/scores/slams-%.json: | baselines/scores/slams_autoencoder-%.json
$(METHODS:%=baselines/scores/multi_%-0.json): baselines/scores/multi_%.json: | baselines/scores/%.json
$(METHODS:%=baselines/scores/longer_%-0.json): baselines/scores/longer_%.json: | baselines/scores/multi_%.json

# What took hours is kept, though nobody asked for it by name.
.SECONDARY:

$(CLASSICAL:%=results/%.nc): results/%.nc: | dambench/manifest.json
	$(PREDICT) $* --task unimodal
$(ENSEMBLES:%=results/%.nc): results/%.nc: | ensemble/manifest.json
	$(BIN)/python baselines/predict.py $* --data ensemble --out $@ --overwrite --task unimodal
$(SEEING:%=results/multi_%.nc): results/multi_%.nc: | ensemble/manifest.json
	$(BIN)/python baselines/predict.py $* --data ensemble --out $@ --overwrite --task multimodal
$(ELSEWHERE:%=results/%.nc): results/%.nc: | ensemble/manifest.json
	$(BIN)/python baselines/predict.py $(*F) --data ensemble --out $@ --overwrite --task $(*D)
dambench/manifest.json: | $(VENV)/.installed
	$(BIN)/python builders/osse/build.py --preset mini --out dambench
$(SYNOP:%=results/%.nc): results/%.nc: | synop/manifest.json
	$(BIN)/python baselines/predict.py $(*F) --data synop --out $@ --overwrite --task synop
synop/manifest.json: | $(VENV)/.installed
	$(BIN)/python builders/synop/build.py --out synop
# The same data with the members of the background's ensemble: 1.4 GB more, and the same revision.
ensemble/manifest.json: | $(VENV)/.installed
	$(BIN)/python builders/osse/build.py --preset mini --ensemble --out ensemble
results/multi_%.nc: runs/multi_%/.trained
	$(PREDICT) runs/multi_$* --task multimodal $(MEMBERS)
results/%.nc: runs/%/.trained
	$(PREDICT) runs/$* --task unimodal $(MEMBERS)

$(RUNS:%=runs/multi_%/.trained): runs/multi_%/.trained: runs/%/.trained
	$(TRAIN) --out runs/multi_$* $(MORE) method=multi_$(method) task=multimodal
	touch $@
$(RUNS:%=runs/longer_%/.trained): runs/longer_%/.trained: runs/%/.trained
	$(TRAIN) --out runs/longer_$* $(MORE)
	touch $@
$(SEEDS:%=runs/slams-%/.trained): runs/slams-%/.trained: runs/slams_autoencoder-%/.trained
	$(BIN)/python baselines/train.py --data dambench --seed $* --out runs/slams-$* --config baselines/slams/mini.yaml initial=runs/slams_autoencoder-$*/best
	touch $@
runs/slams_autoencoder-%/.trained: | dambench/manifest.json $(VENV)/.installed-train
	$(BIN)/python baselines/train.py --data dambench --seed $* --out runs/slams_autoencoder-$* --config baselines/slams/mini_autoencoder.yaml
	touch $@
runs/%/.trained: | dambench/manifest.json $(VENV)/.installed-train
	$(TRAIN) --out runs/$* --config baselines/$(method)/mini.yaml
	touch $@

# Methods in their own forecasts: classical ones, and a learned one, which has the same days to learn from.
CYCLED := background optimal_interpolation var3d letkf enkf hybrid var4d weak_var4d

cycles: $(patsubst %,results/%_cycle.nc,$(CYCLED) vae_var)
	$(BIN)/python baselines/compare_cycles.py $(^:.nc=.errors.nc) --out results/cycles.png

cycle/manifest.json: | $(VENV)/.installed-simulate
	$(BIN)/python builders/osse/build.py --preset cycle --out cycle
CYCLE = $(BIN)/python baselines/cycle.py --data cycle --out $@ --overwrite
$(CYCLED:%=results/%_cycle.nc): results/%_cycle.nc: | cycle/manifest.json
	$(CYCLE) $*
$(METHODS:%=results/%_cycle.nc): results/%_cycle.nc: runs/%-0/.trained | cycle/manifest.json
	$(CYCLE) runs/$*-0

test: lint
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[build,observations]"
	touch $@

$(VENV)/.installed-app: $(VENV)/.installed
	$(PIP) --editable ".[build,observations,app]"
	touch $@

$(VENV)/.installed-simulate: $(VENV)/.installed
	$(PIP) --editable ".[build,simulate]"
	touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(PIP) --editable ".[build,train]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable ".[build,simulate,era5,observations,train,app,dev]"
	touch $@

clean:
	rm -rf dambench ensemble cycle era5_sample synop results
