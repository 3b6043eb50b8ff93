"""What apt may take from which repository: the pins, and which repositories there are."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from altpeter_matrix.apt import preferences
from altpeter_matrix.apt import repositories as apt_repositories
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host.links import APT_PREFERENCES
from altpeter_matrix.render.generation import LocalAdditions, RenderSecrets, render
from tasks.base.paths import PACKAGE_PIN

from ..samples import DEBIAN_13, WIKI, settings
from .fake_keyring import STANZA, repositories


def records(text: str) -> list[tuple[str, str, str]]:
    """Package, Pin and Pin-Priority of each record."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    values = [line.partition(": ")[2] for line in lines]
    return list(zip(*[iter(values)] * 3, strict=True))


def test_each_repository_may_bring_its_own_packages_and_no_other() -> None:
    upstream = 'origin "packages.matrix.org"'
    ours = "release o=Altpeter,l=altpeter-matrix-config"
    assert records(preferences.text(settings(WIKI), shared_host=False)) == [
        ("*", upstream, "-1"),
        ("matrix-synapse-py3 matrix-org-archive-keyring", upstream, "500"),
        ("*", ours, "-1"),
        ("altpeter-matrix-config", ours, "500"),
    ]


def test_where_debian_comes_from_the_same_host_its_packages_are_not_refused() -> None:
    chosen = settings(f"{WIKI}synapse_repository: {{uri: 'https://mirror.example.org:8080/m'}}\n")
    alone = preferences.text(chosen, shared_host=False)
    shared = preferences.text(chosen, shared_host=True)
    assert 'Pin: origin "mirror.example.org"\n' in alone  # apt knows no port
    assert "mirror.example.org" not in shared and "Pin: release o=matrix.org\n" in shared
    facts = replace(DEBIAN_13, shared_repository_host=True)
    files = render(chosen, facts, LocalAdditions(), RenderSecrets("pw"))
    (made,) = (file for file in files if file.path == PurePosixPath("apt/preferences"))
    assert made.content.decode() == shared and made.mode == 0o644


def test_files_of_others_come_before_ours() -> None:
    """apt takes the first record that fits."""
    names = [Path(PACKAGE_PIN).name, Paths().held_back_pin.name, "synapse.pref", "99local.pref"]
    assert max([*names, Path(APT_PREFERENCES).name]) == Path(APT_PREFERENCES).name


DEBIAN = (
    "Types: deb deb-src\nURIs: http://mirror.example.org/debian\nSuites: trixie trixie-updates\n"
    "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.pgp\n"
)
ALL_FROM_ONE = (
    f"{DEBIAN}\n# Synapse\n\nTypes: deb\nURIs: http://mirror.example.org/matrix/\nSuites: trixie\n"
)
DISABLED = ALL_FROM_ONE.replace("Types: deb\n", "Types: deb\nEnabled: no\n")
LINE = "deb http://m.example.org/a b main\n"
BROKEN = "deb\ndeb [\n deb http://[ a\n"
OURS = "Types: deb\nURIs: http://mirror.example.org/ours\nSuites: altpeter\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"debian_sources": DEBIAN, "matrix_sources": STANZA}, set()),
        ({"all_sources": ALL_FROM_ONE}, {"mirror.example.org"}),
        ({"all_sources": DISABLED}, set()),
        ({"a_list": f"{LINE}deb [trusted=no] http://m.example.org/c d\n"}, {"m.example.org"}),
        ({"a_list": f"{LINE}deb-src http://m.example.org/a/ b main\n"}, set()),
        ({"debian_sources": DEBIAN, "ours_sources": OURS}, set()),
        ({"broken_sources": "Types deb\n\x00URIs\n", "x_list": BROKEN}, set()),
    ],
    ids=["two hosts", "mirror", "disabled", "lines", "sources too", "ours", "broken"],
)  # fmt: skip
def test_hosts_of_several_repositories_are_found(
    tmp_path: Path, files: dict[str, str], expected: set[str]
) -> None:
    assert apt_repositories.shared_hosts(repositories(tmp_path, **files)) == expected
