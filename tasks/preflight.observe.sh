#!/bin/sh
# What must be right before anything is changed.

quiet cat /etc/os-release | tell release

if [ -d /run/systemd/system ]; then echo yes | tell systemd; fi

quiet df -Pk /var/lib /usr /etc | awk 'NR > 1 {print $6, $4}' | tell disk

quiet df -Pi /var/lib /usr /etc | awk 'NR > 1 && $2 > 0 {print $6, $4}' | tell inodes

# One line for each listening TCP socket: port, program, systemd unit.
quiet ss -Hltnp |
    sed -n 's/^[^ ]* *[^ ]* *[^ ]* *[^ ]*:\([0-9]*\) .*(("\([^"]*\)",pid=\([0-9]*\),.*/\1 \3 \2/p' |
    sort -u | while read -r port pid program; do
    unit=$(quiet sed -n 's|.*/\([^/]*\.service\).*|\1|p' "/proc/$pid/cgroup" | tail -n 1)
    # It may have ended meanwhile, as Synapse does when it is restarted: nobody has to stop it.
    [ -d "/proc/$pid" ] || continue
    line "$port ${program:-?} ${unit:--}"
done | tell listening

quiet ip -o addr show scope global | awk '{sub("/.*", "", $4); print $4}' | tell addresses

# A resolver that is dead must not cost ten seconds for each of many names (resolv.conf(5)).
RES_OPTIONS='timeout:2 attempts:2'
export RES_OPTIONS
# Only what DNS says counts: /etc/hosts usually maps the host's own name to 127.0.1.1.
for name in $NAMES; do
    for address in $(quiet getent -s dns ahostsv4 "$name" | awk '{print $1}' | sort -u) \
        $(quiet getent -s dns --no-addrconfig ahostsv6 "$name" | awk '$1 !~ /^::ffff:/ {print $1}' | sort -u); do
        line "$name $address"
    done
done | tell names

of_synapse /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml |
    sed -n 's/^server_name: *//p' | tail -n 1 | head -c 1000 | tell server-name
