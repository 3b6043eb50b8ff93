"""The firewall, on hosts whose deploy manages it."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "firewall-missing": Made("mv /usr/sbin/ufw /root/", cure="mv /root/ufw /usr/sbin/"),
    "firewall-off": Made("ufw disable"),
    "firewall-lets-in-all": Made("ufw default allow incoming"),
    "firewall-not-at-boot": Made("systemctl mask ufw"),
    "firewall-closes-port": Made("ufw delete allow 8448/tcp"),
    "firewall-not-loaded": Made("iptables -D ufw-user-input -p tcp -m tcp --dport 8448 -j ACCEPT"),
    # The connection that the test has goes on.
    "firewall-closes-ssh": Made("ufw delete allow 22/tcp"),
    "firewall-opens-internal-port": Made("ufw allow 5432"),
}
NOT_MADE: Mapping[str, str] = {}
