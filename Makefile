# `make demo` and `make test` need only Python 3.10 or newer, a C++ compiler and make.
#
#   make demo [BAG=folder | VIDEO=file] [MODEL=name]   the whole chain on real nodes
#   make test [ARGS="-k codec"]                        all tests that this machine can run
#   make lint | bench | colcon | test-gpu | test-arm64 | model | clean
#   make corpus | faults | fuzz | soak | docs | release
#
# ROS_DISTRO=kilted chooses that distribution; a sourced ROS 2 is used where there is one.

PYTHON ?= python3
ROS_DISTRO ?= jazzy
VENV := .venv$(if $(filter-out jazzy,$(ROS_DISTRO)),-$(ROS_DISTRO))
RUN := $(VENV)/bin
SET_UP := ROS_DISTRO=$(ROS_DISTRO) $(PYTHON) tools/set_up.py

# Variables of an environment of ROS wheels that make itself was started from.
ifdef _ROS_WHEELS_BOOTSTRAP_COMPLETE
  unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH
endif
export PYTHONUNBUFFERED := 1

.PHONY: demo test test-jammy lint bench colcon test-gpu test-arm64 corpus faults fuzz soak drives docs release model set-up set-up-train clean

demo:
	@$(SET_UP) run $(if $(BAG)$(VIDEO)$(MODEL),,demo)
	@$(RUN)/alexnet_ros demo $(if $(BAG),--bag "$(BAG)") $(if $(VIDEO),--video "$(VIDEO)") \
	  $(if $(MODEL),--model "$(MODEL)") --output build/demo $(ARGS)

test:
	@$(SET_UP) run test
	@$(RUN)/python -m pytest $(ARGS)

lint:
	@$(SET_UP) run test
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy

test-jammy:
	@$(PYTHON) tools/test_jammy.py $(ARGS)

bench:
	@$(SET_UP) run test
	@$(RUN)/python benchmarks/run.py $(ARGS)

colcon:
	@$(SET_UP) run colcon
	@$(RUN)/python tools/colcon_check.py $(ARGS)

test-arm64:
	@$(SET_UP) run test
	@$(RUN)/python tools/test_arm64.py $(ARGS)

test-gpu:
	@$(SET_UP) run test
	@$(RUN)/python tools/test_gpu.py $(ARGS)

corpus:
	@$(SET_UP) run test
	@$(RUN)/python -m tests.corpus $(ARGS)

faults:
	@$(SET_UP) run test
	@$(RUN)/python tools/faults.py $(ARGS)

fuzz:
	@$(SET_UP) run test fuzz
	@$(RUN)/python tools/fuzz.py $(ARGS)
	@$(RUN)/python tools/worst.py $(ARGS)

drives:
	@$(SET_UP) run test
	@$(RUN)/python -m tests.unit.navigation.drives $(ARGS)

soak:
	@$(SET_UP) run test
	@$(RUN)/python tools/soak.py $(ARGS)

docs:
	@$(SET_UP) run test docs
	@$(RUN)/sphinx-apidoc -q -f -e -M -o docs/api alexnet_ros
	@$(RUN)/sphinx-build -q -b html docs build/docs
	@echo open build/docs/index.html

mutants:
	@$(SET_UP) run test
	@$(RUN)/python tools/mutants.py $(ARGS)

release:
	@$(SET_UP) run
	@$(RUN)/python tools/release.py $(ARGS)

model:
	@$(SET_UP) train
	@PATH="$(CURDIR)/$(RUN):$$PATH" bash tools/make_signs_model.sh $(ARGS)

set-up:
	@$(SET_UP) run

set-up-train:
	@$(SET_UP) train

clean:
	rm -rf build install log .venv .venv-*
