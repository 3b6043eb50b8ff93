"""Records that a later version of this package wrote: after going back, nothing of it is lost."""

import json

import pytest

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.status.findings import status

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

SITE = "current/nginx/site.conf"
ENABLED = "etc/nginx/sites-enabled/altpeter-matrix"
LATER = {"format": 99, "what": ["nobody", {"knows": "yet"}]}


def later(host: FakeHost, name: str) -> str:
    text = json.dumps(LATER)
    (host.paths.state / name).write_text(text)
    return text


def test_a_link_deleted_under_a_later_version_stays_deleted(serving: FakeHost) -> None:
    (serving.root / ENABLED).unlink()
    text = later(serving, "links.json")
    notices = apply(serving.host).notices
    assert not (serving.root / ENABLED).is_symlink()
    assert any("was deleted, so it stays away" in notice.what for notice in notices)
    assert serving.paths.links_manifest.read_text() == text


def test_an_edit_in_a_later_versions_generation_is_kept(serving: FakeHost) -> None:
    with (serving.paths.state / SITE).open("a") as site:
        site.write("# mine\n")
    later(serving, "current/generation.json")
    (notice,) = [n for n in apply(serving.host).notices if "later version" in n.what]
    kept = list(serving.paths.replaced.rglob("site.conf"))
    assert [path.read_text().endswith("# mine\n") for path in kept] == [True]
    assert str(kept[0].parent.parent) in notice.what
    assert "# mine" not in (serving.paths.state / SITE).read_text()
    assert apply(serving.host).done == (), "said and done once"


@pytest.mark.parametrize("text", [json.dumps(LATER), "[]", "null", '{"problems": [{"x": 1}]}'])
def test_a_later_versions_outcome_is_no_obstacle(serving: FakeHost, text: str) -> None:
    serving.paths.outcome.write_text(text)
    assert not status(serving.host).last_apply.ok
    apply(serving.host)
    assert status(serving.host).last_apply.ok
