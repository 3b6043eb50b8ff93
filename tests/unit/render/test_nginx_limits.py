"""How much nginx takes of one client and of all: connections, bodies, sizes, time."""

import re
from pathlib import Path

import pytest

from altpeter_matrix.bridge.after_start import SOCKETS as HOLD_SOCKETS
from altpeter_matrix.nginx import main_file
from altpeter_matrix.render import nginx_site

from ..samples import DELEGATED, settings
from .rendered_site import allowed_paths, locations, matched, site

UNITS = Path(__file__).parents[3] / "files/systemd"


def test_every_way_to_synapse_is_bounded() -> None:
    for match, body in locations(site()).items():
        if "altpeter_matrix_upstream;" in body:
            zones = set(re.findall(r"limit_conn (\S+) \d+;", body))
            whose = "held" if "auth_request" in body else "address"
            assert zones == {
                f"altpeter_matrix_{zone}"
                for zone in ("requests", whose, "bodies", "address_bodies")
            }, match
            assert f"limit_conn_status {503 if whose == 'held' else 429};" in body, match


def test_what_waits_leaves_room_for_what_needs_no_synapse() -> None:
    """Even if one worker process had got all of it."""
    assert 2 * nginx_site.MOST_REQUESTS <= main_file.CONNECTIONS * 3 / 4
    assert main_file.CONNECTIONS < main_file.OPEN_FILES
    # The kernel lets 4096 wait at each.
    assert len(HOLD_SOCKETS) * 4096 > nginx_site.MOST_REQUESTS
    socket = (UNITS / "altpeter-matrix-hold.socket").read_text("utf-8")
    assert tuple(re.findall(r"^ListenStream=(.*)$", socket, re.MULTILINE)) == HOLD_SOCKETS


@pytest.mark.parametrize(
    ("method", "length", "large"),
    [
        ("GET", "", False),
        ("OPTIONS", "", False),
        ("PUT", "99999", False),
        ("POST", "0", False),
        ("POST", "100000", True),
        ("PUT", "52428800", True),
        # Of unknown length: chunked, or in HTTP/2.
        ("POST", "", True),
        ("PROPFIND", "", True),
    ],
)
def test_a_large_body_is_told_before_it_is_read(method: str, length: str, large: bool) -> None:
    way = matched("$request_method", method, "altpeter_matrix_hold")
    found = matched('"$altpeter_matrix_hold $content_length"', f"{way} {length}")
    assert found == ("1" if large else '""')


def test_what_cannot_have_a_body_goes_where_none_is_taken() -> None:
    for name in ("bodiless", "hold_bodiless"):
        assert "client_max_body_size 64k;" in locations(site())[f"@altpeter_matrix_{name}"]
    for method in ("GET", "HEAD", "OPTIONS"):
        way = matched("$request_method", method, "altpeter_matrix_hold")
        assert way == "@altpeter_matrix_hold_bodiless"
    for prefix in ("/_matrix/", "/_synapse/client/"):
        body = locations(site())[prefix]
        assert body.index("return 418;") < body.index("limit_conn ")


@pytest.mark.parametrize(
    ("size", "bodies"), [("1M", 256), ("50M", 163), ("100M", 81), ("2G", 32), ("20G", 32)]
)
def test_the_bodies_on_the_disk_are_bounded(size: str, bodies: int) -> None:
    chosen = settings(DELEGATED + f"uploads: {{max_size: {size}}}")
    assert nginx_site.most_bodies(chosen) == bodies
    found = site(DELEGATED + f"uploads: {{max_size: {size}}}")
    assert f"limit_conn altpeter_matrix_bodies {bodies};" in found
    assert f"limit_conn altpeter_matrix_address_bodies {bodies // 4};" in found


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (b"\x7f\0\0\1", b"\x7f\0\0\1"),
        (b"\n\n\n\n", b"\n\n\n\n"),
        (b"\0" * 10 + b"\xff\xff" + b"\x0a\0\0\1", b"\x0a\0\0\1"),
        (b"\x20\1\x0d\xb8\0\n\0\0" + b"\0" * 7 + b"\1", b"\x20\1\x0d\xb8\0\n\0\0"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(address: bytes, key: bytes) -> None:
    (block,) = re.findall(r"map \$binary_remote_addr .*? \{(.*?)\n\}", site(), re.DOTALL)
    patterns = [p.replace("?<", "?P<").encode() for p in re.findall(r'"~(.*?)" ', block)]
    found = next((m for p in patterns if (m := re.search(p, address))), None)
    assert (found[1] if found else address) == key


def test_an_address_that_synapse_cannot_read_is_refused_before() -> None:
    """For HTTP/1.1 and HTTP/2 alike, so below what either can be told of by nginx."""
    first = re.findall(r'"~(.*?)" (\S+);', allowed_paths())[0]
    assert first == ("^.{14001}", "long")
    for match in ("/_matrix/", "/_synapse/client/"):
        body = locations(site())[match]
        assert "if ($altpeter_matrix_path_allowed = long) {\n            return 414;" in body
    assert "large_client_header_buffers 4 32k;" in site()


@pytest.mark.parametrize(
    ("written", "limit"), [("2G", 2 * 1024**3), ("50M", 50 * 1024**2), ("1M", 200 * 65536)]
)
def test_the_body_limit_follows_the_upload_size_but_never_blocks_federation(
    written: str, limit: int
) -> None:
    found = site(DELEGATED + f"uploads: {{max_size: {written}}}")
    assert f"client_max_body_size {limit};" in found


def test_long_polls_are_not_cut() -> None:
    for match, body in locations(site()).items():
        if "altpeter_matrix_upstream;" in body:
            assert "proxy_read_timeout 600s;" in body, match
