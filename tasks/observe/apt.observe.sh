#!/bin/sh
# Packages, and whether dpkg was interrupted.

quiet dpkg --audit | tell interrupted
quiet ls /var/lib/dpkg/updates | tell interrupted

# shellcheck disable=SC2016,SC2086
quiet dpkg-query -W -f='${Package} ${db:Status-Want} ${db:Status-Eflag} ${db:Status-Status} ${Version}\n' $PACKAGES |
    tell packages

# shellcheck disable=SC2016
quiet awk '/^Package: / {name = $2} /^Auto-Installed: 1/ {print name}' /var/lib/apt/extended_states |
    tell automatic

# shellcheck disable=SC2016
installed=$(quiet dpkg-query -W -f='${Version}' altpeter-matrix-config)
if [ -n "$installed" ] && [ -n "$PACKAGE_VERSION" ] && dpkg --compare-versions "$installed" gt "$PACKAGE_VERSION"; then
    line "$installed" | tell newer
fi
