#!/bin/sh
# Static checks; all of them run, then the exit status tells whether one failed.
# Usage: lint.sh [PACKAGE.deb]; without it, those that need nothing but build/venv.

set -u

cd "$(dirname "$0")/.." || exit 1
venv=build/venv/bin
failed=

check() {
    name=$1
    shift
    echo "== $name"
    "$@" || failed="$failed $name"
}

# Tracked and new files alike, so that a check does not pass because of a forgotten `git add`.
sources() {
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
        if [ -f "$file" ]; then echo "$file"; fi
    done
}

shell_scripts() {
    sources | while read -r file; do
        if head -n 1 "$file" 2>/dev/null | tr -d '\0' | grep -Eq '^#!(/usr)?/bin/(env )?(ba|da)?sh'; then
            echo "$file"
        fi
    done
}

# For lintian, whose --fail-on counts what is overridden, too.
said_nothing() {
    said=$("$@") || { echo "$said"; return 1; }
    [ -z "$said" ] || { echo "$said"; return 1; }
}

# For bandit, which warns of each exception that it is told of.
quiet_unless_failed() {
    said=$("$@" 2>&1) || { echo "$said"; return 1; }
}

check ruff "$venv/ruff" check --quiet .
check format "$venv/ruff" format --check --quiet .
# shellcheck disable=SC2046  # our file names have no spaces
check mypy "$venv/mypy" --no-error-summary $(sources '*.py' | grep -vx setup.py)
# Which package may import which: .importlinter.
check contracts quiet_unless_failed "$venv/lint-imports" --no-cache
# What runs as root on a host, or with an administrator's rights on all of them.
check bandit quiet_unless_failed "$venv/bandit" --quiet --recursive --configfile .bandit.yaml \
    altpeter_matrix tasks scripts config.py deploy.py
if [ $# -gt 0 ]; then
    # shellcheck disable=SC2046
    check shellcheck shellcheck $(shell_scripts) files/bash-completion/*
    # shellcheck disable=SC2046
    check yamllint yamllint --strict $(sources '*.yaml' '*.yml' .yamllint)
    check lintian said_nothing \
        lintian --allow-root --pedantic --display-info "$1" build/deb/deb/*.dsc
    check po-debconf scripts/po_clean.sh
fi

if [ -n "$failed" ]; then
    echo "failed:$failed" >&2
    exit 1
fi
