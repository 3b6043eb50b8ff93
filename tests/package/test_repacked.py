"""A package made again from what is installed, where an administrator has had a hand in it."""

from tests.package.chroots import Chroot

# Our code without our package, whose triggers have no business here.
OURS = "PYTHONPATH=/root/ours/usr/lib/python3/dist-packages"
PREPARE = r"""
dpkg-deb --extract /package.deb /root/ours
package() {
    tree=/root/tree-$1
    mkdir -p $tree/DEBIAN $tree/etc/matrix-synapse $tree/opt/odd/empty
    for name in homeserver log removed; do echo "packaged $1" > $tree/etc/matrix-synapse/$name.yaml; done
    (cd $tree && ls etc/matrix-synapse/* | sed 's,^,/,') > $tree/DEBIAN/conffiles
    for name in plain 'two words' "it's é" diverted restricted; do
        echo "$name $1" > "$tree/opt/odd/$name"
    done
    ln -s plain $tree/opt/odd/link
    ln -s /nowhere $tree/opt/odd/dangling
    chmod 4755 $tree/opt/odd/plain
    cat > $tree/DEBIAN/control <<END
Package: matrix-synapse-py3
Version: $1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: odd
 Of more lines:
 .
 than one.
END
    dpkg-deb --build --root-owner-group $tree /root/$1.deb
}
package 9.1
package 9.2
dpkg --install --force-depends /root/9.1.deb
cd /etc/matrix-synapse
echo '# mine' >> homeserver.yaml
rm removed.yaml
dpkg-divert --local --rename --add /opt/odd/diverted
echo local > /opt/odd/diverted
dpkg-statoverride --update --add nobody root 0700 /opt/odd/restricted
"""  # noqa: E501
REPACK = f"""
mkdir /root/made
{OURS} python3 -c '
from pathlib import Path
from altpeter_matrix.apt.repacked_package import repack
from altpeter_matrix.apt.release import Release
from altpeter_matrix.base.paths import Paths
repack(Paths(), Release("matrix-synapse-py3", "9.1"), Path("/root/made"))
'
"""
INSTALL = "dpkg --install --force-depends --force-confold {} </dev/null >/root/log 2>&1\n"
SHOW = r"""
exec 2>&1
cd /opt/odd
for name in *; do echo "$name|$(stat -c '%A %U' "$name")|$(readlink "$name" || cat "$name")"; done
cd /etc/matrix-synapse
for name in homeserver log removed; do echo "$name|$(tr '\n' ' ' < $name.yaml || :)"; done
"""


def shown(system: Chroot) -> dict[str, str]:
    lines = [one.partition("|") for one in system.run(SHOW).splitlines() if "|" in one]
    return {name: text.strip() for name, _, text in lines}


def test_what_an_administrator_did_to_the_package_outlives_it(before: Chroot) -> None:
    before.run(PREPARE)
    edited = shown(before)
    assert edited["diverted"].endswith("local")
    assert edited["diverted.distrib"].endswith("diverted 9.1")
    assert edited["restricted"] == "-rwx------ nobody|restricted 9.1"
    assert edited["plain"] == "-rwsr-xr-x root|plain 9.1"
    before.run(f"{REPACK}rm -r /opt/odd/plain '/opt/odd/two words' /opt/odd/link\n")
    before.run(INSTALL.format("/root/made/repacked.deb"))
    assert shown(before) == edited
    # dpkg must still know which of the files were edited.
    before.run(INSTALL.format("/root/9.2.deb"))
    newer = {name: text.replace("9.1", "9.2") for name, text in edited.items()}
    # One that was removed comes back: there is no text of it to pack, so dpkg forgets it.
    newer |= {"homeserver": edited["homeserver"], "removed": "packaged 9.2"}
    assert shown(before) == newer
