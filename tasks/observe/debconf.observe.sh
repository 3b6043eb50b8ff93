#!/bin/sh
# Only until Synapse is installed do the answers matter; from then on its files hold them.

# shellcheck disable=SC2016
quiet awk '/^Name: matrix-synapse\// {name = $2} /^$/ {name = ""} /^Value: / && name {print name, $2}' /var/cache/debconf/config.dat |
    tell debconf
