"""What was changed by hand in the active generation is kept aside, reported and replaced."""

from collections.abc import Callable

import pytest

from altpeter_matrix.apply.transaction import apply

from ..active_files import ENABLED, OPTIONS, SITE, whats
from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def edit(host: FakeHost) -> None:
    (host.root / SITE).write_text("# mine\n")


def delete(host: FakeHost) -> None:
    (host.root / SITE).unlink()


def add(host: FakeHost) -> None:
    host.write("var/lib/altpeter-matrix/current/nginx/local/extra.conf", "# mine\n")


def open_to_all(host: FakeHost) -> None:
    (host.root / OPTIONS).chmod(0o644)


def replace_link(host: FakeHost) -> None:
    """What `sed -i` does to a link."""
    (host.root / ENABLED).unlink()
    host.write(ENABLED, "# mine\n")


@pytest.mark.parametrize(
    ("tamper", "service"),
    [
        (edit, "reload nginx.service"),
        (delete, "reload nginx.service"),
        (add, "reload nginx.service"),
        (replace_link, "reload nginx.service"),
        (open_to_all, "restart matrix-synapse.service"),
    ],
)
def test_hand_made_changes_are_kept_aside_reported_and_replaced(
    serving: FakeHost, tamper: Callable[[FakeHost], None], service: str
) -> None:
    wanted = (serving.root / SITE).read_bytes()
    tamper(serving)
    report = apply(serving.host)
    assert "by hand" in whats(report.notices)
    assert serving.actions() == [service], "it may have loaded the change"
    assert (serving.root / SITE).read_bytes() == wanted
    assert (serving.root / ENABLED).is_symlink()
    assert apply(serving.host).done == ()
    if tamper in {edit, add, replace_link}:
        kept = [path for path in serving.paths.replaced.rglob("*") if path.is_file()]
        assert [path.read_text() for path in kept] == ["# mine\n"]


def test_a_lost_current_link_is_made_again(serving: FakeHost) -> None:
    serving.paths.current.unlink()
    apply(serving.host)
    assert serving.paths.current.exists()
