#!/bin/sh
# SRV records, for the closing report.

# shellcheck disable=SC2086
if [ -n "$SERVICES" ] && have python3; then quiet python3 -c "$SRV_LOOKUP" $SERVICES | tell services; fi
