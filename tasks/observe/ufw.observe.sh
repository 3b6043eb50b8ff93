#!/bin/sh
# The firewall: what its files say, and what the kernel has.

if have sshd; then quiet sshd -T | awk '$1 == "port" {print $2}' | tell sshd-ports; fi

if have ufw; then
    quiet sed -n 's/^ENABLED=/enabled /p' /etc/ufw/ufw.conf
    quiet sed -n 's/^DEFAULT_INPUT_POLICY=/input /p; s/^IPV6=/ipv6 /p' /etc/default/ufw
fi | tell ufw

quiet sed -n 's/^### tuple ### //p' /etc/ufw/user.rules | tell ufw-rules

if have iptables; then quiet iptables -S ufw-user-input | tell ufw-live; fi
