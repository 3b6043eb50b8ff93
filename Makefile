# The front door; `make` alone lists the targets.

VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
DEB := dist/altpeter-matrix-config_$(VERSION)_all.deb
VENV := build/venv/installed
PYTHON := build/venv/bin/python
PYTEST := $(PYTHON) -m pytest
DIVIDED = --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder
# Twice the usual two processors, as tests of hosts mostly wait; what goes together: tests/conftest.py.
PROCESSES ?= 4
DEBIAN ?= 13
# The repository that `make repo` publishes, and its key; docs/repository.md explains them.
REPO ?= repository
REPO_KEY_HOME ?= $(HOME)/.config/altpeter-matrix/repository-key
REPO_KEY ?=
REPO_URI ?=

# Prerequisites share one checkout, one venv and two processors.
.NOTPARALLEL:
.PHONY: help demo demo-down test test-upgrades test-all test-fast check lint deb repo bench docs audit clean lab-requirements

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A file and not the directory: an interrupted pip leaves the directory behind.
$(VENV): requirements.txt requirements-dev.txt
	@scripts/bootstrap.sh venv
	@echo "== making build/venv, once: half a minute" >&2
	@python3 -m venv build/venv
	@build/venv/bin/pip install --quiet -r requirements-dev.txt >build/venv.log 2>&1 || \
		{ tail -n 20 build/venv.log >&2; exit 1; }
	@touch $(VENV)

demo: deb lab-requirements  ## deploy a server on a disposable host (DEBIAN=12|13)
	@$(PYTHON) -m tests.hosts.demo up --debian $(DEBIAN)

demo-down: $(VENV)  ## remove the demo's host
	@$(PYTHON) -m tests.hosts.demo down

test: deb lab-requirements  ## run all tests but the long forms, hosts included (root, 35 minutes)
	@scripts/bootstrap.sh test
	@$(PYTEST) $(DIVIDED) -m "not upgrades" tests/unit tests/package tests/hosts

test-upgrades: deb lab-requirements  ## run the long forms: all upgrades and all faults (overnight)
	@scripts/bootstrap.sh test
	@status=0; \
	$(PYTEST) -m upgrades tests/package tests/hosts --ignore tests/hosts/upgrades || status=$$?; \
	$(PYTEST) tests/hosts/upgrades || status=$$?; \
	exit $$status

test-all: test test-upgrades  ## run everything, on both releases (overnight)

test-fast: PROCESSES = 2
test-fast: $(VENV)  ## run the tests that need neither root nor a host
	@$(PYTEST) $(DIVIDED) tests/unit

check: $(VENV)  ## run the static checks that need neither root nor the package
	@scripts/lint.sh

lint: deb  ## run every static check
	@scripts/bootstrap.sh lint
	@scripts/lint.sh $(DEB)

deb: $(DEB)  ## build dist/altpeter-matrix-config_<version>_all.deb

# Directories, too, so that a file that was removed makes a new package.
$(DEB): $(shell find altpeter_matrix debian docs files scripts CHANGELOG.md LICENSE MANIFEST.in \
		setup.cfg setup.py ! -path '*/__pycache__*') | $(VENV)
	@scripts/bootstrap.sh deb
	@$(PYTHON) scripts/build_deb.py

repo: deb  ## publish the package in a signed apt repository (REPO_URI=https://…)
	@scripts/bootstrap.sh repo
	@$(PYTHON) -m scripts.publish --repository $(REPO) --key-home $(REPO_KEY_HOME) \
		--key '$(REPO_KEY)' --uri '$(REPO_URI)' $(wildcard dist/altpeter-matrix-config_*_all.deb)

bench: deb lab-requirements  ## measure against apt-get and Ansible
	@$(PYTHON) -m tests.bench

docs: $(VENV)  ## write docs/settings.md, docs/faults.md and the table of docs/sizing.md from the code
	@$(PYTHON) scripts/settings_docs.py
	@$(PYTHON) scripts/faults_docs.py
	@$(PYTHON) scripts/sizing_docs.py

# Not in CI: holes become known without a change here, and where PyPI is only a mirror of files
# nobody can be asked (--strict makes that a failure, not a success).
audit: $(VENV)  ## ask PyPI whether what build/venv has installed has known holes
	@[ -x build/audit/bin/pip-audit ] || { python3 -m venv build/audit && \
		build/audit/bin/pip install --quiet 'pip-audit~=2.10'; }
	@build/audit/bin/pip-audit --strict --progress-spinner off \
		--path "$$(echo build/venv/lib/python3*/site-packages)"

clean:  ## remove what was built, but not the lab's caches
	rm -rf build/deb build/venv build/audit build/*.log dist .mypy_cache .pytest_cache .ruff_cache

lab-requirements: $(VENV)
	@scripts/bootstrap.sh lab
