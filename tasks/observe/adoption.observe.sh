#!/bin/sh
# Whether a server was set up by hand, and what of it an adoption would meet.

# A configuration that somebody edited, on a host that serves no generation of ours yet.
if grep -qs '"state": "unfinished"' /var/lib/altpeter-matrix/adoption.json; then
    echo /var/lib/altpeter-matrix/adoption.json
elif [ ! -L /var/lib/altpeter-matrix/current ] && [ -f /etc/matrix-synapse/homeserver.yaml ]; then
    # shellcheck disable=SC2016
    recorded=$(quiet dpkg-query -W -f='${Conffiles}\n' matrix-synapse-py3 matrix-synapse |
        awk '$1 == "/etc/matrix-synapse/homeserver.yaml" {print $2; exit}')
    if [ -n "$recorded" ] &&
        [ "$(of_synapse /etc/matrix-synapse/homeserver.yaml | head -c -1 | md5sum | cut -c -32)" != "$recorded" ]; then
        echo /etc/matrix-synapse/homeserver.yaml
    fi
    for file in /etc/matrix-synapse/conf.d/*.yaml; do
        ! of_synapse "$file" | grep -Eqv '^(server_name|report_stats):|^ *(#|$)' || line "$file"
    done
    # Nothing was edited, but people use it.
    sqlite=/var/lib/matrix-synapse/homeserver.db
    if [ -s "$sqlite" ] && have python3 &&
        ! of_synapse /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml |
        grep -Eq 'name: *.?psycopg2'; then
        as_synapse python3 -c "import sqlite3; print('$sqlite' if sqlite3.connect('file:$sqlite?mode=ro', uri=True).execute('select 1 from users').fetchone() else '')"
    fi
fi | tell handmade

# Files of apt's that name Synapse's repository: it alone, or others as well.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [ ! -f "$file" ] || [ "$file" = "$SOURCES" ]; then continue; fi
    active=$(grep -E '^(deb|deb-src|URIs:) ' "$file" || :)
    case $active in *"$REPOSITORY"*) ;; *) continue ;; esac
    if [ "$file" = /etc/apt/sources.list ] || line "$active" | grep -Fqv "$REPOSITORY"; then
        line "shared $file"
    else
        line "alone $file"
    fi
done | tell other-sources

# Ports that answer, without those that only this host itself reaches. Clients of DHCP and NTP
# answer nobody, and programs that ask by UDP seem to listen on a port that the kernel chose.
for protocol in tcp udp; do
    quiet ss -Hln "--$protocol" | awk -v protocol=$protocol '
        $4 !~ /^(127\.|\[::1\]|\[::ffff:127\.)/ && $4 !~ /%/ {
            sub(".*:", "", $4)
            if (protocol == "tcp" || ($4 < 32768 && $4 != 68 && $4 != 123 && $4 != 546))
                print $4 "/" protocol}' | sort -un
done | tell public
