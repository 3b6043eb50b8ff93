#!/bin/sh
# What keeps the clock right.

# shellcheck disable=SC2086
quiet systemctl show --property=Id,UnitFileState $UNITS | awk -F= '
    $1 == "Id" {unit = $2} $1 == "UnitFileState" {state = $2}
    $0 == "" {print unit, state; unit = state = ""} END {if (unit) print unit, state}' | tell units
