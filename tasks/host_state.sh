#!/bin/sh
# Prints everything that the deploy wants to know of a host, in one round trip. Changes nothing.
#
# Runs as root, with POSIX sh and the essential packages of Debian only: it also has to work on a
# bare host. tasks/host_state.py sets the variables in capitals before it and reads what it prints:
# `## NAME` begins a section. On stdin: the password for the mail server, or an empty line.

section() { printf '## %s\n' "$1"; }
quiet() { "$@" 2>/dev/null || :; }
have() { command -v "$1" >/dev/null 2>&1; }

# Synapse's files belong to its user, who may have put anything in their place: they are looked at
# as that user, and not for long.
as_synapse() {
    if id matrix-synapse >/dev/null 2>&1; then set -- runuser -u matrix-synapse -- "$@"; fi
    quiet timeout -k 1 10 "$@"
}
# Their text, and the end of a line after each.
of_synapse() {
    # shellcheck disable=SC2016
    as_synapse sh -c 'for file; do [ ! -f "$file" ] || head -c 4000000 "$file"; echo; done' sh "$@"
}

# After a deploy that was killed, apt may still be at work: look when it has finished.
lock=$(stat -c %i /var/lib/dpkg/lock-frontend 2>/dev/null || echo none)
waited=0
while grep -q ":$lock " /proc/locks 2>/dev/null && [ "$waited" -lt "$LOCK_TIMEOUT" ]; do
    sleep 1
    waited=$((waited + 1))
done
section lock
grep ":$lock " /proc/locks 2>/dev/null | while read -r _ _ _ _ pid _; do
    quiet cat "/proc/$pid/comm"
done

section release
quiet cat /etc/os-release

section systemd
[ ! -d /run/systemd/system ] || echo yes

section disk
quiet df -Pk /var/lib /usr /etc | awk 'NR > 1 {print $6, $4}'

section inodes
quiet df -Pi /var/lib /usr /etc | awk 'NR > 1 && $2 > 0 {print $6, $4}'

section audit
quiet dpkg --audit

section interrupted
quiet ls /var/lib/dpkg/updates

section packages
# shellcheck disable=SC2016,SC2086
quiet dpkg-query -W -f='${Package} ${db:Status-Want} ${db:Status-Eflag} ${db:Status-Status} ${Version}\n' $PACKAGES

section automatic
# shellcheck disable=SC2016
quiet awk '/^Package: / {name = $2} /^Auto-Installed: 1/ {print name}' /var/lib/apt/extended_states

section newer
installed=$(dpkg-query -W -f='${Version}' altpeter-matrix-config 2>/dev/null || :)
if [ -n "$installed" ] && [ -n "$PACKAGE_VERSION" ] && dpkg --compare-versions "$installed" gt "$PACKAGE_VERSION"; then
    echo "$installed"
fi

section listening
# One line for each listening TCP socket: port, program, systemd unit.
quiet ss -Hltnp | sed -n 's/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*(("\([^"]*\)",pid=\([0-9]*\),.*/\1 \2 \3/p' |
    sort -u | while read -r port program pid; do
        unit=$(quiet sed -n 's|.*/\([^/]*\.service\).*|\1|p' "/proc/$pid/cgroup" | tail -n 1)
        # It may have ended meanwhile, as Synapse does when it is restarted: nobody has to stop it.
        [ -d "/proc/$pid" ] || continue
        echo "$port ${program:-?} ${unit:--}"
    done

section public
# Without those that only this host itself reaches. Clients of DHCP and NTP answer nobody, and
# programs that ask by UDP seem to listen on a port that the kernel chose.
for protocol in tcp udp; do
    quiet ss -Hln "--$protocol" | awk -v protocol=$protocol '
        $4 !~ /^(127\.|\[::1\]|\[::ffff:127\.)/ && $4 !~ /%/ {
            sub(".*:", "", $4)
            if (protocol == "tcp" || ($4 < 32768 && $4 != 68 && $4 != 123 && $4 != 546))
                print $4 "/" protocol}' | sort -un
done

section addresses
quiet ip -o addr show scope global | awk '{sub("/.*", "", $4); print $4}'

section names
# A resolver that is dead must not cost ten seconds for each of many names (resolv.conf(5)).
RES_OPTIONS='timeout:2 attempts:2'
export RES_OPTIONS
# Only what DNS says counts: /etc/hosts usually maps the host's own name to 127.0.1.1.
for name in $NAMES; do
    for address in $(quiet getent -s dns ahostsv4 "$name" | awk '{print $1}' | sort -u) \
        $(quiet getent -s dns --no-addrconfig ahostsv6 "$name" | awk '$1 !~ /^::ffff:/ {print $1}' | sort -u); do
        echo "$name $address"
    done
done

section services
# shellcheck disable=SC2086
if [ -n "$SERVICES" ] && have python3; then quiet python3 -c "$SRV_LOOKUP" $SERVICES; fi

section files
printf '%s\n' "$FILES" | while IFS= read -r file; do
    if [ -f "$file" ]; then
        printf '%s %s\n' "$(sha256sum <"$file" | cut -c -64)" "$file"
    fi
done

section keyrings
for file in $KEYRINGS; do
    if [ -f "$file" ]; then echo "$file $(base64 -w 0 "$file")"; fi
done

section server-name
of_synapse /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml |
    sed -n 's/^server_name: *//p' | tail -n 1

section handmade
# A configuration that somebody edited, on a host that serves no generation of ours yet.
if grep -qs '"state": "unfinished"' /var/lib/altpeter-matrix/adoption.json; then
    echo /var/lib/altpeter-matrix/adoption.json
elif [ ! -L /var/lib/altpeter-matrix/current ] && [ -f /etc/matrix-synapse/homeserver.yaml ]; then
    # shellcheck disable=SC2016
    recorded=$(dpkg-query -W -f='${Conffiles}\n' matrix-synapse-py3 matrix-synapse 2>/dev/null |
        awk '$1 == "/etc/matrix-synapse/homeserver.yaml" {print $2; exit}')
    if [ -n "$recorded" ] &&
        [ "$(of_synapse /etc/matrix-synapse/homeserver.yaml | head -c -1 | md5sum | cut -c -32)" != "$recorded" ]; then
        echo /etc/matrix-synapse/homeserver.yaml
    fi
    for file in /etc/matrix-synapse/conf.d/*.yaml; do
        ! of_synapse "$file" | grep -Eqv '^(server_name|report_stats):|^ *(#|$)' || echo "$file"
    done
    # Nothing was edited, but people use it.
    sqlite=/var/lib/matrix-synapse/homeserver.db
    if [ -s "$sqlite" ] && have python3 &&
        ! of_synapse /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml |
        grep -Eq 'name: *.?psycopg2'; then
        as_synapse python3 -c "import sqlite3; print('$sqlite' if sqlite3.connect('file:$sqlite?mode=ro', uri=True).execute('select 1 from users').fetchone() else '')"
    fi
fi

section other-sources
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [ ! -f "$file" ] || [ "$file" = "$SOURCES" ]; then continue; fi
    active=$(grep -E '^(deb|deb-src|URIs:) ' "$file" || :)
    case $active in *"$REPOSITORY"*) ;; *) continue ;; esac
    if [ "$file" = /etc/apt/sources.list ] || echo "$active" | grep -Fqv "$REPOSITORY"; then
        echo "shared $file"
    else
        echo "alone $file"
    fi
done

section debconf
# Only until Synapse is installed do the answers matter; from then on its files hold them.
# shellcheck disable=SC2016
quiet awk '/^Name: matrix-synapse\// {name = $2} /^$/ {name = ""} /^Value: / && name {print name, $2}' /var/cache/debconf/config.dat

section sshd-ports
if have sshd; then quiet sshd -T | awk '$1 == "port" {print $2}'; fi

section ufw
if have ufw; then
    quiet sed -n 's/^ENABLED=/enabled /p' /etc/ufw/ufw.conf
    quiet sed -n 's/^DEFAULT_INPUT_POLICY=/input /p; s/^IPV6=/ipv6 /p' /etc/default/ufw
fi

section ufw-rules
quiet sed -n 's/^### tuple ### //p' /etc/ufw/user.rules

section ufw-live
if have iptables; then quiet iptables -S ufw-user-input; fi

section certificate
# The one that nginx serves: on an adopted server it may have the name of another of its domains,
# and so on one that is yet to be adopted.
served=/var/lib/altpeter-matrix/current/nginx/site.conf
[ -f "$served" ] || served="/etc/nginx/sites-enabled/* /etc/nginx/conf.d/*.conf"
lineage=
# shellcheck disable=SC2086
for name in $(quiet sed -n 's|^[[:space:]]*ssl_certificate[[:space:]]*/etc/letsencrypt/live/\(.*\)/fullchain.pem;.*|\1|p' $served); do
    # The widest that is there wins, as in the host tool; the one of our name before all.
    if [ "$name" = "$PUBLIC_NAME" ]; then lineage=$name; fi
    : "${lineage:=$name}"
done
: "${lineage:=$PUBLIC_NAME}"
certificate=/etc/letsencrypt/live/$lineage/fullchain.pem
if [ -f "$certificate" ] && have openssl; then
    quiet openssl x509 -in "$certificate" -noout -ext subjectAltName |
        grep -o 'DNS:[^, ]*' | sed 's/^DNS:/name /'
    if openssl x509 -in "$certificate" -noout -checkend 86400 >/dev/null 2>&1; then echo valid; fi
    echo "lineage $lineage"
fi
quiet sed -n 's/^server = /server /p' "/etc/letsencrypt/renewal/$lineage.conf"

section nginx-default
if [ -e "$DEFAULT_SITE_MARK" ]; then echo decided; fi

section units
# shellcheck disable=SC2086
quiet systemctl show --property=Id,UnitFileState $UNITS | awk -F= '
    $1 == "Id" {unit = $2} $1 == "UnitFileState" {state = $2}
    $0 == "" {print unit, state; unit = state = ""} END {if (unit) print unit, state}'

section database
# Asked of the database, so that a restored or an emptied one counts. Synapse's role decides what is
# in its database: there we are no more than it, and of the answer only the words count that we
# asked for. As superuser only PostgreSQL's own database and catalogues are asked.
sql() {
    user=$1 options=$2
    shift 2
    quiet timeout -k 5 30 setsid -w runuser -u "$user" -- env PGCONNECT_TIMEOUT=10 \
        PGOPTIONS="-c statement_timeout=10s -c lock_timeout=10s $options" psql -XAtq -F ' ' \
        -v database="$DATABASE" -v name="$ADMINISTRATOR" -d "$@" -f - |
        timeout -k 5 40 head -c 1000
}
if have psql; then
    sql postgres '-c search_path=pg_catalog,pg_temp' postgres <<'SQL'
SELECT 'locale', datcollate, datctype, pg_catalog.pg_encoding_to_char(encoding)
FROM pg_catalog.pg_database WHERE datname = :'database';
SQL
    sql matrix-synapse '' "$DATABASE" <<'SQL' | grep -Ex 'users|administrator (active|deactivated|ordinary)' | sort -u
SELECT 'users' FROM users LIMIT 1;
SELECT 'administrator', CASE WHEN deactivated = 1 THEN 'deactivated' WHEN admin = 1 THEN 'active'
    ELSE 'ordinary' END FROM users WHERE name = :'name' LIMIT 1;
SQL
fi
if [ -s "$ADMINISTRATOR_PASSWORD" ]; then echo password; fi

section smtp-password
# Compared here, in the shell itself: no hash or copy of it leaves the host or shows in a list of
# processes.
IFS= read -r wanted || :
if [ -f "$SMTP_PASSWORD" ]; then
    [ "$wanted" = "$(cat "$SMTP_PASSWORD")" ] && echo same
    quiet stat -c 'mode %a %u' "$SMTP_PASSWORD"
fi

section tool
# Whether an apply has nothing to do: everything is as the last one left it, and the services run
# with it.
if have altpeter-matrix; then
    if altpeter-matrix apply --dry-run >/dev/null 2>&1; then echo settled; else echo unsettled; fi
fi
section end
