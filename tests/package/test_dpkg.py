"""What dpkg does with the package: install, configure again, remove, purge; nobody is asked.

In chroots without systemd, so that these also prove that an image can be built with it.
"""

import re
import shutil
from pathlib import Path

import pytest

from tests.package.chroots import FINGERPRINT, INSTALL, Chroot
from tests.package.releases import PACKAGE, release

STATUS = "dpkg-query -W -f '${db:Status-Abbrev}|' altpeter-matrix-config; dpkg --audit\n"
SITE = "/etc/nginx/sites-enabled/altpeter-matrix"


def test_installing_gives_a_generation_that_nginx_and_synapse_accept(system: Chroot) -> None:
    assert system.run(STATUS) == "ii |"
    assert "server_name: example.org" in system.run("cat /etc/altpeter-matrix/settings.yaml")
    shown = system.run(
        f"readlink {SITE} /var/lib/altpeter-matrix/current"
        " /etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml; nginx -t 2>&1"
    )
    assert shown.splitlines()[:3] == [
        "../sites-available/altpeter-matrix",
        "generations/1",
        "/var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml",
    ]
    assert "test is successful" in shown
    system.run(
        "cd /etc/matrix-synapse; runuser -u matrix-synapse -- /opt/venvs/matrix-synapse/bin/python"
        " -m synapse.config -c homeserver.yaml -c conf.d/"
    )


def test_nginx_starts_whatever_of_ours_was_deleted(system: Chroot) -> None:
    """Else an upgrade of nginx, which starts it before our trigger can repair that, fails."""
    for lost in ("/var/lib/altpeter-matrix/current/nginx/site.conf", "/var/lib/altpeter-matrix"):
        system.run(f"rm -r {lost}\nnginx -t\naltpeter-matrix apply\n")
        shown = system.run("nginx -T 2>/dev/null")
        assert "server_name example.org" in shown


@pytest.mark.parametrize(
    "settings",
    [
        "server_name: matrix.altpeter.me\naliases: [altpeter.me]\n",
        "server_name: example.org\npublic_name: matrix.example.org\n",
        "server_name: example.org\npublic_name: matrix.example.org\n"
        "federation: {delegation: srv, port_8448: false}\n",
        # nginx hashes names into buckets of 64 bytes and does not start when one is longer.
        f"server_name: {'long-' * 10}name.{'organisation-' * 4}s.example.org\n",
    ],
    ids=["wiki", "delegated", "srv", "long name"],
)
def test_nginx_accepts_every_kind_of_site_without_a_warning(before: Chroot, settings: str) -> None:
    write = f"cat > /etc/altpeter-matrix/settings.yaml <<'END'\n{settings}END\n"
    before.run(f"mkdir /etc/altpeter-matrix\n{write}{INSTALL}")
    said = before.run("nginx -t 2>&1; nginx -T 2>/dev/null | grep -c 'altpeter-matrix/current'")
    assert "test is successful" in said
    assert "[warn]" not in said


def test_installation_says_nothing_alarming_and_asks_nothing(before: Chroot) -> None:
    said = before.run(f"DEBIAN_FRONTEND=readline dpkg --install /package.deb\n{STATUS}")
    assert said.rstrip().endswith("ii |")
    for word in ("Traceback", "error", "did not succeed", "[Y/n]", "conffile"):
        assert word not in said


def test_synapses_own_conffiles_stay_as_packaged(system: Chroot) -> None:
    assert system.run("dpkg --verify matrix-synapse-py3 nginx-common") == ""


def test_configuring_again_changes_nothing(system: Chroot) -> None:
    first = system.run(FINGERPRINT)
    assert "/var/lib/altpeter-matrix/generations/1/generation.json" in first
    again = "/var/lib/dpkg/info/altpeter-matrix-config.postinst configure 0.1.0-1\n"
    system.run(again + again + INSTALL)
    assert system.run(FINGERPRINT) == first


def test_triggered_again_and_again_changes_nothing(system: Chroot) -> None:
    first = system.run(FINGERPRINT)
    trigger = "".join(
        f"dpkg-trigger --by-package={PACKAGE} {name}\n"
        for name in ("/etc/matrix-synapse", "/usr/sbin/nginx", "/usr/lib/postgresql", PACKAGE)
    )
    system.run(f"{trigger}dpkg --configure --pending\n" * 2)
    assert system.run(FINGERPRINT + STATUS) == first + "ii |"


@pytest.mark.parametrize("way", ["one after the other", "at once"])
def test_an_upgrade_over_two_versions_ends_like_a_new_installation(
    before: Chroot, package: Path, tmp_path: Path, way: str
) -> None:
    older = [release(package, version, tmp_path) for version in ("0.0.8-1", "0.0.9-1")]
    (before.upper / "root").mkdir(parents=True)
    for deb in older if way == "one after the other" else older[:1]:
        shutil.copy(deb, before.upper / "root")
    before.run(f"for deb in /root/*.deb; do dpkg --install $deb; done\n{INSTALL}")
    rendered = (
        "cat /var/lib/altpeter-matrix/current/nginx/site.conf /etc/altpeter-matrix/settings.yaml"
    )
    upgraded = before.run(f"{rendered}\n{STATUS}")
    assert "# release" not in upgraded
    before.run(f"dpkg --purge {PACKAGE}\n{INSTALL}")
    assert upgraded == before.run(f"{rendered}\n{STATUS}")


def test_services_masked_before_the_first_installation_do_not_break_dpkg(before: Chroot) -> None:
    units = ("nginx", "matrix-synapse", "postgresql")
    said = before.run(f"systemctl mask {' '.join(units)}\n{INSTALL}{STATUS}")
    assert said.rstrip().endswith("ii |")
    assert "Traceback" not in said
    masked = before.run("".join(f"readlink /etc/systemd/system/{one}.service\n" for one in units))
    assert masked.split() == ["/dev/null"] * len(units)
    shown = before.run("readlink /var/lib/altpeter-matrix/current; nginx -t 2>&1")
    assert shown.startswith("generations/1\n") and "test is successful" in shown


@pytest.mark.parametrize("absent", ["nginx", "postgresql"])
def test_a_missing_service_does_not_break_dpkg(before: Chroot, absent: str) -> None:
    """Nobody installs it so on purpose, but a host in trouble may be like this."""
    packages = f"$(dpkg-query -W -f '${{Package}}\\n' '{absent}*')"
    said = before.run(
        f"dpkg --force-depends --purge {packages}\n"
        f"dpkg --force-depends --install /package.deb\n"
        f"dpkg-query -W -f '${{db:Status-Abbrev}}|' {PACKAGE}\n"
    )
    assert said.rstrip().endswith("ii |")
    assert "Traceback" not in said


def test_a_bad_setting_leaves_the_package_configured_and_the_old_generation(
    system: Chroot,
) -> None:
    system.run("echo 'uploads: {max_size: 50 megs}' >> /etc/altpeter-matrix/settings.yaml")
    said = system.run(INSTALL + STATUS)
    assert said.rstrip().endswith("ii |")
    assert "uploads.max_size" in said
    assert system.run("readlink /var/lib/altpeter-matrix/current").strip() == "generations/1"
    system.run("nginx -t")


def test_a_broken_tool_does_not_break_dpkg(system: Chroot) -> None:
    broken = "/usr/share/altpeter-matrix-config/settings.schema.json"
    said = system.run(
        f"mv {broken} /root/aside\n"
        "/var/lib/dpkg/info/altpeter-matrix-config.postinst configure 0.1.0-1 && echo configured\n"
        f"mv /root/aside {broken}\n"
        "chmod -x /usr/sbin/altpeter-matrix\n"
        "/var/lib/dpkg/info/altpeter-matrix-config.postinst triggered x && echo triggered\n"
    )
    assert "configured\n" in said
    assert "triggered\n" in said
    assert "altpeter-matrix apply" in said


def test_removal_keeps_nginx_and_synapse_runnable_and_the_data(system: Chroot) -> None:
    kept = (
        "sha256sum /var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml"
        " /etc/altpeter-matrix/settings.yaml /etc/altpeter-matrix/secrets/macaroon_secret_key"
        " /etc/matrix-synapse/homeserver.signing.key\n"
    )
    first = system.run(kept)
    system.run("dpkg --remove altpeter-matrix-config\nnginx -t\n")
    assert system.run(f"ls {SITE} 2>/dev/null || echo gone").strip() == "gone"
    system.run(
        "cd /etc/matrix-synapse; runuser -u matrix-synapse -- /opt/venvs/matrix-synapse/bin/python"
        " -m synapse.config -c homeserver.yaml -c conf.d/\n"
        "runuser -u matrix-synapse -- grep psycopg2 conf.d/50-altpeter-matrix.yaml"
    )
    assert system.run(kept) == first


def test_removal_forgets_what_the_services_loaded_for_they_lose_their_drop_ins(
    system: Chroot,
) -> None:
    left = system.run(
        "mkdir -p /run/altpeter-matrix; touch /run/altpeter-matrix/synapse.loaded\n"
        "dpkg --remove altpeter-matrix-config >/dev/null; ls /run/altpeter-matrix"
    )
    assert "loaded" not in left


@pytest.mark.parametrize("lost", ["nothing", "our state"])
def test_a_new_installation_after_removal_brings_the_site_back(system: Chroot, lost: str) -> None:
    if lost == "our state":
        system.run("rm -r /var/lib/altpeter-matrix")
    system.run(f"dpkg --remove altpeter-matrix-config\n{INSTALL}")
    assert system.run(f"readlink {SITE}").strip() == "../sites-available/altpeter-matrix"
    assert system.run(STATUS) == "ii |"


@pytest.mark.parametrize("way", ["upgrade", "removal and new installation"])
def test_a_site_that_the_administrator_disabled_stays_disabled(system: Chroot, way: str) -> None:
    system.run(f"rm {SITE}")
    if way != "upgrade":
        system.run("dpkg --remove altpeter-matrix-config")
    system.run(INSTALL)
    assert system.run(f"ls {SITE} 2>/dev/null || echo gone").strip() == "gone"


@pytest.mark.parametrize("removed_first", [True, False])
def test_purge_leaves_nothing_of_ours_and_never_the_data(
    system: Chroot, removed_first: bool
) -> None:
    system.run(
        "mkdir -p /var/lib/matrix-synapse/media /etc/letsencrypt/live/example.org\n"
        "echo photo > /var/lib/matrix-synapse/media/photo\n"
        "echo certificate > /etc/letsencrypt/live/example.org/fullchain.pem\n"
        "echo '# mine' > /etc/nginx/conf.d/altpeter-of-my-own.conf\n"
    )
    if removed_first:
        system.run("dpkg --remove altpeter-matrix-config")
    said = system.run("dpkg --purge altpeter-matrix-config\nnginx -t")
    assert "uses its own configuration again" in said
    left = system.run(
        "find / -xdev -iname '*altpeter*' -not -path '/var/log/*' -not -path '/proc/*'; "
        "grep -rls altpeter /etc /usr/lib/systemd /usr/lib/tmpfiles.d /var/lib/systemd || true"
    )
    assert left.split() == ["/etc/nginx/conf.d/altpeter-of-my-own.conf"]
    data = (
        "/etc/letsencrypt/live/example.org/fullchain.pem",
        "/etc/matrix-synapse/conf.d/server_name.yaml",
        "/etc/matrix-synapse/homeserver.signing.key",
        "/var/lib/matrix-synapse/media/photo",
    )
    system.run(f"ls {' '.join(data)} /var/lib/postgresql/*/main/PG_VERSION")


def test_purge_leaves_a_file_that_took_the_place_of_our_link(system: Chroot) -> None:
    system.run(
        f"rm {SITE}; echo '# mine' > {SITE}; dpkg --purge altpeter-matrix-config; cat {SITE}"
    )


def test_certbot_that_comes_later_finds_its_hook(before: Chroot) -> None:
    hook = "/etc/letsencrypt/renewal-hooks/deploy/altpeter-matrix"
    before.run(f"dpkg --purge certbot; rm -rf /etc/letsencrypt; {INSTALL}")
    assert before.run(f"ls {hook} 2>/dev/null || echo none").strip() == "none"
    # As when certbot is unpacked.
    before.run(
        "mkdir /etc/letsencrypt; dpkg-trigger --by-package=nginx /etc/letsencrypt\n"
        f"dpkg --configure --pending; test -x {hook}"
    )


def test_the_units_are_hardened_as_promised(system: Chroot) -> None:
    # Over both units as these releases ship them, with our drop-ins; 10 is fully exposed.
    for unit, limit in (("matrix-synapse.service", 2.0), ("nginx.service", 5.0)):
        said = system.run(f"systemd-analyze security --offline=true --no-pager {unit} || true")
        level = re.search(rf"exposure level for {unit}: ([0-9.]+)", said)
        assert level and float(level[1]) <= limit, said
        verified = system.run(f"systemd-analyze verify {unit} 2>&1 || true")
        assert "altpeter" not in verified


def test_bash_completes_the_commands(system: Chroot) -> None:
    completed = system.run(
        """bash -c '. /usr/share/bash-completion/completions/altpeter-matrix
        COMP_WORDS=(altpeter-matrix ro) COMP_CWORD=1
        _altpeter_matrix altpeter-matrix
        echo "${COMPREPLY[*]}"'
        """
    )
    assert completed.strip() == "rollback"
