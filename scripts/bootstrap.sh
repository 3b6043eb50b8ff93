#!/bin/sh
# Install the Debian packages that make targets need, when some are missing.
# Usage: bootstrap.sh venv|deb|repo|lint|lab|test ...

set -e

cd "$(dirname "$0")/.."

packages=
for target in "$@"; do
    case "$target" in
        venv) packages="$packages python3 python3-venv ca-certificates git" ;;
        deb)
            packages="$packages build-essential debhelper dh-python po-debconf python3-all"
            packages="$packages python3-setuptools"
            ;;
        repo) packages="$packages apt-utils gnupg" ;;
        lint) packages="$packages gettext lintian po-debconf shellcheck yamllint" ;;
        lab)
            packages="$packages $(python3 -c \
                "from tests.hosts.lab.requirements import PACKAGES; print(*PACKAGES)")"
            ;;
        test)
            packages="$packages apt-utils gettext gnupg lintian locales piuparts po-debconf"
            packages="$packages shellcheck"
            # A Node from elsewhere does as well, and may conflict with Debian's npm.
            command -v npm >/dev/null || packages="$packages nodejs npm"
            ;;
        *)
            echo "usage: $0 venv|deb|repo|lint|lab|test ..." >&2
            exit 2
            ;;
    esac
done

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "bootstrap: not root; first run: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

echo "bootstrap: installing$missing" >&2
mkdir -p build
install_missing() {
    # shellcheck disable=SC2086  # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing </dev/null >build/bootstrap.log 2>&1
}
# The package lists of a fresh machine are absent or old, but fetching them takes time.
install_missing || {
    apt-get update >build/bootstrap.log 2>&1 && install_missing
} || {
    tail -n 20 build/bootstrap.log >&2
    echo "bootstrap: could not install$missing" >&2
    exit 1
}
