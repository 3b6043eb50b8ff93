"""The links in /etc: which come back, which stay away, which are not ours."""

import shutil
from pathlib import Path

import pytest

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.host.links import NGINX_AVAILABLE

from ..active_files import CONF_D, ENABLED, OPTIONS, settings, whats
from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def test_a_deleted_link_stays_deleted_and_is_reported(serving: FakeHost) -> None:
    (serving.root / ENABLED).unlink()
    settings(serving, "aliases: [chat.example.org]\n")
    report = apply(serving.host)
    assert not (serving.root / ENABLED).is_symlink()
    assert "was deleted, so it stays away" in whats(report.notices)


def test_the_link_without_which_synapse_would_begin_anew_is_made_again(serving: FakeHost) -> None:
    (serving.root / CONF_D).unlink()
    report = apply(serving.host)
    assert (serving.root / CONF_D).readlink() == Path(f"/{OPTIONS}")
    assert "was deleted, and is there again" in whats(report.notices)
    assert apply(serving.host).notices == ()


def test_a_lost_conf_d_is_made_again(serving: FakeHost) -> None:
    shutil.rmtree(serving.paths.synapse_conf_d)
    apply(serving.host)
    assert (serving.root / CONF_D).is_symlink()


def test_a_site_that_is_enabled_does_not_lead_to_nothing(serving: FakeHost) -> None:
    available = serving.root / NGINX_AVAILABLE
    available.unlink()
    apply(serving.host)
    assert available.is_symlink()
    available.unlink()
    (serving.root / ENABLED).unlink()
    apply(serving.host)
    assert not available.is_symlink()


def test_somebody_elses_file_in_our_place_is_refused(fresh: FakeHost) -> None:
    fresh.write(ENABLED, "server {}\n")
    with pytest.raises(HostError, match="is not the link of altpeter-matrix"):
        apply(fresh.host)
    assert not fresh.paths.current.exists()
