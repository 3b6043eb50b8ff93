"""What Synapse's user can put in the place of Synapse's files: nobody waits, reads or writes there.

Each attack is one that this user can make without its sandbox, in which /etc cannot be written.
"""

from collections.abc import Callable, Iterator

import pytest

from tasks.observe.observation import Observation
from tests.hosts.attacks import APPLY, CHECK, STATUS, as_synapse, attacker, run_all
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy
from tests.hosts.releases import on_one_release

pytestmark = on_one_release

SYNAPSE = "/etc/matrix-synapse"
HOMESERVER, CONF_D = f"{SYNAPSE}/homeserver.yaml", f"{SYNAPSE}/conf.d"
OUTSIDE = "/srv/outside"
# What apt runs before it unpacks us, and what a deploy asks before it does anything.
QUESTIONS = (
    "env", "DEBIAN_FRONTEND=noninteractive", "debconf", "-oaltpeter-matrix-config",
    "/var/lib/dpkg/info/altpeter-matrix-config.config", "configure", "0.1",
)  # fmt: skip
SURVEY = ("sh", "-c", str(Observation().command({"LOCK_TIMEOUT": "1"}).get_raw_value()))
BOMB = "".join(
    [f"a0: &a0 [{', '.join(['x'] * 9)}]\\n"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\\n" for n in range(1, 30)]
)
# The directory is root's, but stands in one of Synapse's user, who can put its own in its place.
OWN = f"mv {CONF_D} {SYNAPSE}/away; cp -r {SYNAPSE}/away {CONF_D}; rm {CONF_D}/50-*; " + (
    f"cp -P {SYNAPSE}/away/50-* {CONF_D};"
)
# What is made, and what is said of which file.
ATTACKS = {
    "named pipe": (f"rm {HOMESERVER}; mkfifo {HOMESERVER}", HOMESERVER, "is a named pipe"),
    "pipe in conf.d": (f"{OWN} mkfifo {CONF_D}/a.yaml", f"{CONF_D}/a.yaml", "is a named pipe"),
    "link to what root alone reads": (
        f"ln -sf /etc/shadow {HOMESERVER}", HOMESERVER, "is a link to /etc/shadow",
    ),
    "endless file": (
        f"{OWN} ln -sf /dev/zero {CONF_D}/server_name.yaml", f"{CONF_D}/server_name.yaml",
        "is a link to /dev/zero",
    ),
    "huge file": (
        f"rm {HOMESERVER}; truncate -s 1T {HOMESERVER}", HOMESERVER,
        "bytes, which no configuration has",
    ),
    "aliases of aliases": (
        f"{OWN} printf '{BOMB}' > {CONF_D}/a.yaml", f"{CONF_D}/a.yaml",
        "means more than 100000 values",
    ),
    "conf.d is a link": (
        f"mv {CONF_D} {SYNAPSE}/away; ln -s {OUTSIDE} {CONF_D}", CONF_D, f"is a link to {OUTSIDE}",
    ),
    "signing key": (
        f"rm {SYNAPSE}/homeserver.signing.key; mkfifo {SYNAPSE}/homeserver.signing.key",
        f"{SYNAPSE}/homeserver.signing.key", "is a named pipe",
    ),
}  # fmt: skip
# Each of these files is another thing from one moment to the next.
SWAP = f"""
{OWN}
cd {SYNAPSE}
cp homeserver.yaml swap.plain; mkfifo swap.pipe; ln -s /etc/shadow swap.link; ln -s {OUTSIDE} d
ln -s /dev/zero swap.zero
while :; do
    for one in swap.pipe swap.plain swap.link swap.zero swap.plain; do
        cp -a "$one" swap.new; mv -fT swap.new homeserver.yaml
        cp -a swap.pipe conf.d/z.yaml; rm -f conf.d/z.yaml
        mv -T conf.d was; mv -T d conf.d; mv -T conf.d d; mv -T was conf.d
    done
done
"""


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    victim = clone(deployment, "files")
    victim.host.sh(f"cp -a {SYNAPSE} /root/saved; mkdir -m 0755 {OUTSIDE}")
    return victim


@pytest.fixture
def host(server: Deployment) -> Iterator[Host]:
    """The same files before each attack, and nothing outside was touched by it."""
    host = server.host
    host.run("touch", "--date=2001-01-01", OUTSIDE)
    yield host
    host.sh(f"rm -rf {SYNAPSE}; cp -a /root/saved {SYNAPSE}")
    left = host.run("find", OUTSIDE, "-printf", "%p %m %u %TY\\n").stdout
    host.sh(f"find {OUTSIDE} -mindepth 1 -delete")
    assert left == f"{OUTSIDE} 755 root 2001\n"


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_named_and_nobody_waits_for_it(host: Host, attack: str) -> None:
    script, file, what = ATTACKS[attack]
    as_synapse(host, script)
    ended = run_all(host, STATUS, APPLY, CHECK, QUESTIONS, SURVEY)
    # An apply that has nothing to do has nothing to do with the key.
    for command in (STATUS,) if attack == "signing key" else (STATUS, APPLY):
        one = ended[command]
        assert one.status == 1, one
        assert file in one.output and what in one.output, one
    for one in ended.values():
        assert "Traceback" not in one.output and "root:" not in one.output, one
    assert ended[SURVEY].output.endswith("end yes$\n")


def test_a_link_that_the_administrator_made_goes_on_to_work(host: Host) -> None:
    host.write("/etc/synapse-more/more.yaml", "presence: {enabled: false}\n", 0o640)
    host.run("chgrp", "matrix-synapse", "/etc/synapse-more/more.yaml", check=False)
    host.sh(
        "chgrp $(id -gn matrix-synapse) /etc/synapse-more/more.yaml;"
        f" ln -s /etc/synapse-more/more.yaml {CONF_D}/10-more.yaml"
    )
    applied = run_all(host, APPLY)[APPLY]
    assert applied.status == 0, applied
    status = run_all(host, STATUS)[STATUS]
    assert status.status == 0, status


def test_what_changes_from_moment_to_moment_leads_nobody_astray(host: Host) -> None:
    said = ""
    with attacker(host, "matrix-synapse", SWAP):
        for _ in range(3):
            ended = run_all(host, STATUS, APPLY, CHECK)
            said += "".join(one.output for one in ended.values())
    assert "Traceback" not in said and "root:" not in said, said
    assert f"{HOMESERVER}: is a " in said, "the attack was never seen"


def test_a_secret_in_an_addition_stays_roots_alone_and_goes_when_it_is_removed(host: Host) -> None:
    """Also in the generations, where what was removed is there for a day, to go back to."""
    nginx, synapse = (
        f"/etc/altpeter-matrix/{one}" for one in ("nginx.d/a.conf", "synapse.d/a.yaml")
    )
    host.write(nginx, "# Authorization: an-nginx-secret\n", 0o600)
    host.write(synapse, "turn_shared_secret: a-synapse-secret\n", 0o600)
    host.run(*APPLY)
    places = "/etc /var/lib/altpeter-matrix /run /tmp"
    grep = f"grep -rlsE 'an-nginx-secret|a-synapse-secret' {places} || true"
    for user in ("nobody", "www-data"):
        assert host.run("runuser", "-u", user, "--", "sh", "-c", grep).stdout == "", user
    own = host.run("runuser", "-u", "matrix-synapse", "--", "sh", "-c", grep).stdout.split()
    assert own and all("/synapse/altpeter-matrix.yaml" in one or "/50-" in one for one in own)
    host.run("rm", nginx, synapse)
    host.run(*APPLY)
    assert host.sh(grep).stdout != ""
    host.run("touch", "--no-dereference", "--date=-2 days", "/var/lib/altpeter-matrix/current")
    host.run(*CHECK)
    assert host.sh(grep).stdout == ""


def test_it_all_works_again_afterwards(server: Deployment) -> None:
    applied = run_all(server.host, APPLY)[APPLY]
    assert applied.status == 0, applied
    assert_healthy(server)
