#!/bin/sh
# What DNS says of the names, as this host's resolver has it.

# Only what DNS says counts: /etc/hosts usually maps the host's own name to 127.0.1.1. A resolver that
# is dead must not cost ten seconds for each of many names (resolv.conf(5)).
resolve() { quiet env RES_OPTIONS='timeout:2 attempts:2' getent -s dns "$@"; }
for name in $NAMES; do
    for address in $(resolve ahostsv4 "$name" | awk '{print $1}' | sort -u) \
        $(resolve --no-addrconfig ahostsv6 "$name" | awk '$1 !~ /^::ffff:/ {print $1}' | sort -u); do
        line "$name $address"
    done
done | tell names

# SRV records.
# shellcheck disable=SC2086
if [ -n "$SERVICES" ] && have python3; then quiet python3 -c "$SRV_LOOKUP" $SERVICES | tell services; fi
