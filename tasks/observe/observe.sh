#!/bin/sh
# How the deploy looks at a host, in one round trip: this first, then each *.observe.sh beside it, all
# as one script. Changes nothing.
#
# Runs as root, with POSIX sh and the essential packages of Debian only: it also has to work on a
# bare host. observation.py sets the variables in capitals. Whatever is printed goes through `tell`.

# Prints each line of stdin as `KEY LINE$`, escaped as `l` of sed(1) does. Much of it comes from
# programs and people whom nobody knows: no line can pass for another key's, be cut off unnoticed,
# move the cursor of a terminal, or be no text.
tell() { LC_ALL=C sed -n "/[^[:space:]]/ {s/^/$1 /; l 0;}"; }

echo yes | tell begin

# For what comes from elsewhere: `echo` would take its backslashes for orders.
line() { printf '%s\n' "$*"; }
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

# On stdin: the password for the mail server, or an empty line. Nothing else may get it.
IFS= read -r smtp_password || :
exec </dev/null
# Compared in the shell itself: no hash or copy of it leaves the host or shows in a list of processes.
is_smtp_password() { [ "$smtp_password" = "$(cat "$1")" ]; }

# The program that holds dpkg's lock. The kernel's list tells a file by numbers that are not those
# of stat(1) on every file system, and its inode another file may have elsewhere: its holder, then,
# is who has it open.
lock_holder() {
    lock=/var/lib/dpkg/lock-frontend
    inode=$(quiet stat -c %i $lock)
    [ -z "$inode" ] || quiet grep ":$inode " /proc/locks | while read -r _ _ _ _ pid _; do
        if quiet readlink "/proc/$pid/fd/"* | grep -Fqx $lock; then quiet cat "/proc/$pid/comm"; fi
    done
}
# After a deploy that was killed, apt may still be at work: look when it has finished.
waited=0
while [ -n "$(lock_holder)" ] && [ "$waited" -lt "$LOCK_TIMEOUT" ]; do
    sleep 1
    waited=$((waited + 1))
done
lock_holder | tell lock
