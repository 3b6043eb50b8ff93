#!/bin/sh
# The homeserver: its name, its database, its administrator, and whether it is as the settings want it.

of_synapse /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml |
    sed -n 's/^server_name: *//p' | tail -n 1 | head -c 1000 | tell server-name

if [ -e "$DEFAULT_SITE_MARK" ]; then echo decided | tell nginx-default; fi

# Asked of the database, so that a restored or an emptied one counts. Synapse's role decides what is
# in its database: there we are no more than it, and of the answer only the words count that we
# asked for. As superuser only PostgreSQL's own database and catalogues are asked. Where that role
# cannot enter it (a server that was adopted may have another one, with a password, or its database
# elsewhere), Synapse is asked whether it knows the administrator.
sql() {
    user=$1 options=$2
    shift 2
    quiet timeout -k 5 30 setsid -w runuser -u "$user" -- env PGCONNECT_TIMEOUT=10 \
        PGOPTIONS="-c statement_timeout=10s -c lock_timeout=10s $options" psql -XAtq -F ' ' \
        -v database="$DATABASE" -v name="$ADMINISTRATOR" -d "$@" -f - |
        timeout -k 5 40 head -c 1000
}
known_to_synapse() {
    if [ -n "$ADMINISTRATOR" ] && have python3; then quiet python3 -Ic "$PROFILE_LOOKUP" "$SYNAPSE" "$ADMINISTRATOR"; fi
}
in_database=
if have psql; then
    sql postgres '-c search_path=pg_catalog,pg_temp' postgres <<'SQL' | tell database
SELECT 'locale', datcollate, datctype, pg_catalog.pg_encoding_to_char(encoding)
FROM pg_catalog.pg_database WHERE datname = :'database';
SQL
    in_database=$(
        sql matrix-synapse '' "$DATABASE" <<'SQL' | grep -Ex 'users|administrator (active|deactivated|ordinary)' | sort -u
SELECT 'users' FROM users LIMIT 1;
SELECT 'administrator', CASE WHEN deactivated = 1 THEN 'deactivated' WHEN admin = 1 THEN 'active'
    ELSE 'ordinary' END FROM users WHERE name = :'name' LIMIT 1;
SQL
    )
fi
echo "${in_database:-$(known_to_synapse)}" | tell database
if [ -s "$ADMINISTRATOR_PASSWORD" ]; then echo password | tell database; fi

# Whether an apply has nothing to do: everything is as the last one left it, and the services run
# with it.
if have altpeter-matrix; then
    if altpeter-matrix apply --dry-run >/dev/null 2>&1; then echo settled; else echo unsettled; fi
fi | tell tool
