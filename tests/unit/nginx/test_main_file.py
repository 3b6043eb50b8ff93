"""The main file of nginx: Debian's, with more connections, and never in the way of a start."""

import os
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host.links import NGINX_MAIN, TARGETS
from altpeter_matrix.nginx import main_file

DEBIAN = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {
\tworker_connections 5; # nonsense, and not ours
}
"""
MANY = str(main_file.CONNECTIONS)


MORE = f"worker_connections {MANY};"
UNCHANGED = (
    DEBIAN.replace("768", "100000"),
    # The number may be in there: twice would be an error.
    "events { include more.conf; }",
    "worker_rlimit_nofile 999999;",
    # What this grammar does not know stays as it is.
    "",
    "events",
    "events {",
    "} events { worker_connections 1; }",
    "include elsewhere/*.conf;",
    'http { log_format x "}"; } events { worker_connections $x; }',
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DEBIAN, DEBIAN.replace("768", MANY)),
        ("events {}", f"events {{ {MORE}}}"),
        ("events{worker_connections 9;use epoll;}", f"events{{{MORE}use epoll;}}"),
        ("# events { }\nevents { }", f"# events {{ }}\nevents {{ {MORE} }}"),
        ("worker_rlimit_nofile 9;", f"worker_rlimit_nofile {main_file.OPEN_FILES};"),
        *((text, text) for text in UNCHANGED),
    ],
)
def test_only_the_limits_are_raised(before: str, after: str) -> None:
    assert main_file.raised(before) == after


def test_what_was_raised_stays() -> None:
    assert main_file.raised(main_file.raised(DEBIAN)) == main_file.raised(DEBIAN)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path)
    found.nginx.mkdir(parents=True)
    (found.nginx / "nginx.conf").write_text(DEBIAN)
    (tmp_path / NGINX_MAIN).symlink_to(TARGETS[NGINX_MAIN])
    return found


def test_the_unit_is_told_to_use_the_copy(paths: Paths) -> None:
    assert main_file.write(paths)
    assert paths.nginx_main.read_text() == DEBIAN.replace("768", MANY)
    assert paths.nginx_environment.read_text() == (
        "ALTPETER_MATRIX_NGINX_CONF=/etc/nginx/altpeter-matrix.conf\n"
    )
    assert not main_file.write(paths), "it is there already"


def test_a_change_of_the_original_is_followed(paths: Paths) -> None:
    main_file.write(paths)
    (paths.nginx / "nginx.conf").write_bytes(DEBIAN.encode() + b"# \xff mine\n")
    assert main_file.write(paths)
    assert paths.nginx_main.read_bytes().endswith(b"# \xff mine\n")


def test_the_copy_can_be_read_by_nobody_who_cannot_read_the_original(paths: Paths) -> None:
    (paths.nginx / "nginx.conf").chmod(0o600)
    main_file.write(paths)
    assert paths.nginx_main.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", ["delete", "elsewhere", "unreadable"])
def test_nginx_starts_with_its_own_file_where_ours_cannot_be_made(paths: Paths, spoil: str) -> None:
    main_file.write(paths)
    link = paths.root / NGINX_MAIN
    if spoil == "unreadable":
        (paths.nginx / "nginx.conf").unlink()
        with pytest.raises(OSError, match=r"nginx\.conf"):
            main_file.write(paths)
    else:
        link.unlink()
        if spoil == "elsewhere":
            link.symlink_to("/tmp/mine.conf")
        main_file.write(paths)
    assert not os.path.lexists(paths.nginx_environment)


@pytest.mark.parametrize(
    ("title", "ours"),
    [
        (f"nginx: master process /usr/sbin/nginx -c /{NGINX_MAIN} -g daemon on;", True),
        ("nginx: master process /usr/sbin/nginx -g daemon on; master_process on;", False),
        ("/usr/sbin/nginx\0-c\0/etc/nginx/altpeter-matrix.conf\0", True),
        ("/usr/sbin/nginx\0-c\0/etc/nginx/altpeter-matrix.conf.old\0", False),
    ],
)
def test_it_is_seen_with_which_file_nginx_runs(tmp_path: Path, title: str, ours: bool) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12/cmdline").write_text(title)
    assert main_file.in_use("12", tmp_path) is ours
    assert not main_file.in_use("13", tmp_path)
