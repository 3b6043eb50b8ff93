#!/bin/sh
# The host itself: its release, disks, ports and addresses.

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
