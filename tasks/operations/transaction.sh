#!/bin/sh
# Installs everything in one apt transaction. apt.py sets the variables in capitals.
#
# The output goes to a file, not to the deploy: when the deploy is killed, apt finishes instead of
# dying of a closed pipe in the middle of a package.
set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8

logged() { "$@" </dev/null >>"$LOG" 2>&1; }

said() { tail -c "+$((begin + 1))" "$LOG"; }

failed() {
    { said | grep -E '^(E|W|Err|dpkg|error):' || said; } | tail -n 30 >&2
    echo "error: $1: all of it is in $LOG" >&2
    exit 1
}

# A machine that was just booted often updates its lists itself at that moment.
update() {
    tries=0
    until logged apt-get -q -o APT::Update::Error-Mode=any update; do
        tries=$((tries + 1))
        if [ "$tries" -ge 60 ] || ! tail -n 5 "$LOG" | grep -q 'Could not get lock'; then
            failed "apt cannot update its lists"
        fi
        sleep 5
    done
}

printf '\n== %s\n' "$(date)" >>"$LOG"
begin=$(wc -c <"$LOG")
if [ -n "$PACKAGE_FILE" ]; then
    echo "$PACKAGE_SHA256  $PACKAGE_FILE" | sha256sum --quiet -c - >&2 ||
        { echo "error: $PACKAGE_FILE did not arrive whole: deploy again" >&2; exit 1; }
fi
if [ "$REPAIR" = yes ]; then
    # A package that stays unfinished is the install's business: it brings its archive along.
    logged dpkg --configure -a || :
fi
[ "$UPDATE" = no ] || update
# An edited configuration file stays, and so does every package: there is nobody here to ask.
# shellcheck disable=SC2086
logged apt-get -q -y --fix-broken --no-remove --no-install-recommends $REINSTALL $DOWNGRADE \
    -o DPkg::Lock::Timeout="$LOCK_TIMEOUT" -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install $PACKAGES $PACKAGE_FILE || failed "apt cannot install the packages"
if [ -n "$MANUAL" ]; then
    # shellcheck disable=SC2086
    logged apt-mark manual $MANUAL
fi
if [ -n "$PACKAGE_FILE" ]; then
    printf '%s\n' "$PACKAGE_SHA256" >"$PACKAGE_MARK"
    rm -f "$PACKAGE_FILE"
fi
