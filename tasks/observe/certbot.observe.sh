#!/bin/sh
# The certificate that nginx serves: on an adopted server it may have the name of another of its
# domains, and so on one that is yet to be adopted.

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
{
    if [ -f "$certificate" ] && have openssl; then
        quiet openssl x509 -in "$certificate" -noout -ext subjectAltName |
            grep -o 'DNS:[^, ]*' | sed 's/^DNS:/name /'
        if openssl x509 -in "$certificate" -noout -checkend 86400 >/dev/null 2>&1; then echo valid; fi
        line "lineage $lineage"
    fi
    quiet sed -n 's/^server = /server /p' "/etc/letsencrypt/renewal/$lineage.conf"
} | tell certificate
