"""PostgreSQL and Synapse are sized to the machine: live, under load, undone when it goes wrong."""

import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.clients.load import Load
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.people import SETTINGS, change_settings, new_account
from tests.hosts.probes import assert_healthy, wait_until_serving
from tests.hosts.writers import writer

pytestmark = pytest.mark.parametrize(
    "deployment", [pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"],
    indirect=True, scope="session",
)  # fmt: skip
DIRECTORY = "/etc/postgresql/$(ls /etc/postgresql)/main/conf.d"
OURS = f"{DIRECTORY}/50-altpeter-matrix.conf"
OFTEN = {"per_second": 1000, "burst_count": 10000}
UNLIMITED = {
    "rc_message": OFTEN, "rc_login": {"address": OFTEN, "account": OFTEN},
    "rc_room_creation": OFTEN, "bcrypt_rounds": 10,
}  # fmt: skip
# What `sizing: {memory: …}` comes to: worked out by hand, from docs/sizing.md.
SMALL = {"shared_buffers": "64MB", "work_mem": "4MB", "maintenance_work_mem": "32MB"}
LARGE = {"shared_buffers": "256MB", "work_mem": "12MB", "maintenance_work_mem": "128MB"}


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Iterator[Deployment]:
    made = clone(deployment, "sizing", dns=True)
    wait_until_serving(made)
    change_settings(made, synapse=UNLIMITED, sizing={"memory": "2G"})
    yield made


def show(host: Host, *options: str) -> dict[str, str]:
    """What PostgreSQL runs with."""
    words = " ".join(f"-c 'show {option}'" for option in options)
    lines = host.sh(f"cd /; runuser -u postgres -- psql -At {words}").stdout.split()
    return dict(zip(options, lines, strict=True))


def started(host: Host, unit: str) -> str:
    """When its process began."""
    shown = host.sh(f"systemctl show -P ExecMainStartTimestampMonotonic '{unit}'").stdout.strip()
    assert shown not in {"", "0"}
    return shown


def resize(server: Deployment, **sizing: object) -> str:
    """Settings with these sizes and no others; what `apply` says."""
    settings = yaml.safe_load(server.host.read(SETTINGS))
    server.host.write(SETTINGS, yaml.safe_dump({**settings, "sizing": sizing}))
    done = server.host.run("altpeter-matrix", "apply", check=False)
    return f"{done.returncode} {done.stdout} {done.stderr}"


def test_a_deploy_sizes_the_server_to_its_machine(deployment: Deployment) -> None:
    host = deployment.host
    memory = int(host.sh("awk '/^MemTotal/ {print $2}' /proc/meminfo").stdout) // 1024
    memory -= memory % 64
    assert show(host, "shared_buffers") in (
        {"shared_buffers": f"{min(memory // 8, 8192)}MB"},
        {"shared_buffers": f"{min(memory // 8192, 8)}GB"},
    )
    assert_healthy(deployment)


def test_the_sizes_are_those_that_run(server: Deployment) -> None:
    host = server.host
    assert show(host, *LARGE) == LARGE
    assert show(host, "random_page_cost", "autovacuum_vacuum_scale_factor") == {
        "random_page_cost": "1.1", "autovacuum_vacuum_scale_factor": "0.05",
    }  # fmt: skip
    maps = host.sh("cat /proc/$(systemctl show -P MainPID matrix-synapse)/maps").stdout
    assert "/libjemalloc.so.2" in maps
    assert "jemalloc" not in host.sh("cat /proc/$(pgrep -o nginx)/maps").stdout
    assert_healthy(server)


def test_a_machine_of_512_mb_is_sized_under_load_and_no_request_fails(server: Deployment) -> None:
    host = server.host
    before = started(host, "postgresql@*-main.service"), started(host, "matrix-synapse")
    load = Load(new_account(server, "small"))
    with load:
        load.breathe(1)
        assert resize(server, memory="512M").startswith("0 ")
        load.breathe(2)
    print(load.report)
    assert load.report.failures == []
    load.assert_nothing_lost_or_doubled()
    after = started(host, "postgresql@*-main.service"), started(host, "matrix-synapse")
    assert before[0] != after[0] and before[1] != after[1]
    assert show(host, *SMALL) == SMALL
    options = yaml.safe_load(host.read("/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"))
    assert options["caches"]["cache_autotuning"]["max_cache_memory_usage"] == f"{128 * 1024}K"
    assert_healthy(server)


def test_what_needs_no_restart_has_none(server: Deployment) -> None:
    host = server.host
    before = started(host, "postgresql@*-main.service"), started(host, "matrix-synapse")
    assert resize(server, memory="512M", maintenance_work_mem="48M").startswith("0 ")
    assert show(host, "maintenance_work_mem") == {"maintenance_work_mem": "48MB"}
    assert before == (started(host, "postgresql@*-main.service"), started(host, "matrix-synapse"))
    assert "nothing to do" in host.run("altpeter-matrix", "apply").stdout.lower()


def test_what_postgresql_does_not_start_with_is_undone(server: Deployment) -> None:
    """More memory than there is: found when it starts, while requests wait."""
    host = server.host
    text, kept = host.sh(f"cat {OURS}").stdout, writer(server, "kept")
    said = resize(server, shared_buffers="900G")
    assert said.startswith("1 ")
    assert "did not start with its new options (shared_buffers = 943718400kB)" in said
    assert "set another sizing.shared_buffers" in said
    assert host.sh(f"cat {OURS}").stdout == text
    assert show(host, *SMALL) == {**SMALL, "maintenance_work_mem": "48MB"}
    wait_until_serving(server)
    kept.send("it serves")
    assert resize(server, memory="512M").startswith("0 ")
    assert_healthy(server)


def test_what_somebody_else_has_set_stays(server: Deployment) -> None:
    host = server.host
    host.sh(f"echo 'work_mem = 7MB' >{DIRECTORY}/10-mine.conf")
    host.sh(
        "cd /; runuser -u postgres -- psql -c \"alter system set maintenance_work_mem = '99MB'\""
        " -c 'select pg_reload_conf()'"
    )
    resize(server, memory="512M", autovacuum_work_mem="9M")
    assert show(host, "work_mem", "maintenance_work_mem", "autovacuum_work_mem") == {
        "work_mem": "7MB", "maintenance_work_mem": "99MB", "autovacuum_work_mem": "9MB",
    }  # fmt: skip
    assert "work_mem = 4096kB" not in host.sh(f"cat {OURS}").stdout
    host.sh(
        f"rm {DIRECTORY}/10-mine.conf; cd /; runuser -u postgres --"
        " psql -c 'alter system reset maintenance_work_mem'"
    )


def test_a_cluster_with_a_database_of_others_is_left_alone(server: Deployment) -> None:
    host = server.host
    host.sh("cd /; runuser -u postgres -- createdb others")
    text = host.sh(f"cat {OURS}").stdout
    said = resize(server, memory="4G")
    assert said.startswith("0 ") and "also holds others, so its sizes are left as they are" in said
    assert host.sh(f"cat {OURS}").stdout == text
    assert show(host, "shared_buffers") == {"shared_buffers": "64MB"}
    host.sh("cd /; runuser -u postgres -- dropdb others")


def test_off_is_as_postgresql_and_synapse_come(server: Deployment) -> None:
    host = server.host
    assert resize(server, enabled=False).startswith("0 ")
    assert host.sh(f"ls {DIRECTORY}").stdout == ""
    assert show(host, "shared_buffers", "work_mem", "random_page_cost") == {
        "shared_buffers": "128MB", "work_mem": "4MB", "random_page_cost": "4",
    }  # fmt: skip
    assert "jemalloc" not in host.sh(
        "cat /proc/$(systemctl show -P MainPID matrix-synapse)/maps"
    ).stdout  # fmt: skip
    assert_healthy(server)


def test_a_rollback_brings_the_sizes_back(server: Deployment) -> None:
    assert resize(server, memory="2G").startswith("0 ")
    assert resize(server, memory="512M").startswith("0 ")
    server.host.run("altpeter-matrix", "rollback")
    assert show(server.host, *LARGE) == LARGE


def test_without_jemalloc_it_goes_on(server: Deployment) -> None:
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -y -q remove libjemalloc2 2>&1")
    assert resize(server, memory="2G", work_mem="13M").startswith("0 ")
    options = yaml.safe_load(host.read("/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"))
    assert "caches" not in options
    wait_until_serving(server)
    assert_healthy(server)


def test_with_the_package_the_sizes_go(server: Deployment) -> None:
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -y -q remove altpeter-matrix-config 2>&1")
    assert host.sh(f"ls {DIRECTORY}").stdout == ""
    end = time.monotonic() + 10
    while show(host, "work_mem") != {"work_mem": "4MB"}:
        assert time.monotonic() < end
        time.sleep(0.2)
