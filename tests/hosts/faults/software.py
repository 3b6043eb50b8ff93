"""Whether what is installed gets updates, and has them."""

from collections.abc import Mapping

from . import Made

_LISTS = "/var/lib/apt/lists"
_PERIODIC = "/var/lib/apt/periodic"
_SOURCE = "/etc/apt/sources.list.d/matrix-org.sources"
_KEYRING = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
_TABLE = "/usr/share/distro-info/debian.csv"
# A repository that calls itself Debian's security, with a newer version of what is installed. What
# the real one has, since the base image was made, is left out of this.
_SECURITY = r"""
mkdir -p /root/lists; mv /var/lib/apt/lists/*-security_* /root/lists/ || :
mkdir -p /srv/sec /root/pkg/DEBIAN; cd /srv/sec
for version in 1 2; do
    printf '%s\n' 'Package: lab-patched' "Version: $version" 'Architecture: all' \
        'Maintainer: Lab <a@lab.test>' 'Description: lab' >/root/pkg/DEBIAN/control
    dpkg-deb -b /root/pkg lab-patched_$version.deb >/dev/null
done
dpkg -i lab-patched_1.deb >/dev/null
hash() { sha256sum $1 | cut -d' ' -f1; }
{
    dpkg-deb -f lab-patched_2.deb
    echo Filename: ./lab-patched_2.deb
    echo Size: $(stat -c %s lab-patched_2.deb)
    echo SHA256: $(hash lab-patched_2.deb)
} >Packages
printf '%s\n' 'Origin: Debian' 'Label: Debian-Security' "Date: $(date -uR)" 'SHA256:' \
    " $(hash Packages) $(stat -c %s Packages) Packages" >Release
echo 'deb [trusted=yes] file:/srv/sec ./' >/etc/apt/sources.list.d/lab-security.list
apt-get -qq update -o Dir::Etc::sourcelist=sources.list.d/lab-security.list \
    -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0
mkdir -p /var/lib/apt/periodic; touch /var/lib/apt/periodic/upgrade-stamp
"""

MADE: Mapping[str, Made] = {
    "unattended-upgrades-missing": Made(
        "mv /usr/bin/unattended-upgrade /root/", cure="mv /root/unattended-upgrade /usr/bin/"
    ),
    "unattended-upgrades-off": Made(
        "echo 'APT::Periodic::Unattended-Upgrade \"0\";' >/etc/apt/apt.conf.d/99mine",
        cure="rm /etc/apt/apt.conf.d/99mine",
    ),
    "package-on-hold": Made("apt-mark hold openssl"),
    "repository-keyring-missing": Made(
        f"mv {_KEYRING} /root/key.gpg", cure=f"mv /root/key.gpg {_KEYRING}"
    ),
    # As Debian's packages note it; a boot makes /run anew.
    "reboot-required": Made("touch /run/reboot-required", cure="rm /run/reboot-required"),
    # Among Debian's lists one is new within nine days; here one is fetched again instead.
    "package-lists-old": Made(
        f"rm {_LISTS}/packages.lab.test_*InRelease;"
        f" mkdir -p {_PERIODIC}; touch -d '9 days ago' {_LISTS} {_PERIODIC}/update-stamp"
    ),
    "synapse-repository-missing": Made(
        f"mv {_SOURCE} /root/; rm {_LISTS}/packages.lab.test_*",
        cure=f"mv /root/matrix-org.sources {_SOURCE}; apt-get -qq update",
        daily=True,
    ),
    # As if the years had passed.
    "release-without-updates": Made(
        f"cp {_TABLE} /root/; sed -Ei '/^1[23],/ s/[0-9]{{4}}(-[0-9-]+)/2001\\1/g' {_TABLE}",
        cure=f"cp /root/debian.csv {_TABLE}",
        daily=True,
    ),
    "security-update-passed-over": Made(
        _SECURITY,
        cure="dpkg -i /srv/sec/lab-patched_2.deb",
        tidy="dpkg -P lab-patched; rm -r /srv/sec /etc/apt/sources.list.d/lab-security.list"
        f" {_LISTS}/_srv_sec_* {_PERIODIC}/upgrade-stamp; mv /root/lists/* {_LISTS}/ || :",
        daily=True,
    ),
}
NOT_MADE: Mapping[str, str] = {}
