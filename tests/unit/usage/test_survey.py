"""Everything that takes room is looked at; what cannot be is said, and the rest is shown."""

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from altpeter_matrix.postgresql import upgrade_journal
from altpeter_matrix.usage import database, media
from altpeter_matrix.usage.model import Part
from altpeter_matrix.usage.survey import survey

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

MEDIA = "var/lib/matrix-synapse/media"
MIB = 1024**2
TABLES = [
    ["state_groups_state", 6 * MIB, 2 * MIB, 900, 3, None],
    ["event_json", 3 * MIB, MIB, 700, 20, 5],
    ["ratelimit_override", MIB, 0, 0, 0, None],
]
ANSWERS = {
    "pg_database_size(current": [[[12 * MIB]]],
    "pg_ls_waldir": [[[32 * MIB]], [[7 * MIB]]],
    "pg_indexes_size": [TABLES],
    "pg_am": [[["public", "events_key", "events", 900 * MIB, 0, 8, 1, False]]],
    "most_common_vals": [[["!a:x", 5 * MIB], ["!b\u001b[2J:x", MIB]]],
}


def answers(host: FakeHost, **instead: object) -> None:
    """What PostgreSQL says; `instead` by the word that tells a question."""
    cases = "".join(
        f"    *{word!r}*) echo '{json.dumps({'answers': instead.get(word, answer)})}' ;;\n"
        for word, answer in ANSWERS.items()
    )
    script = (
        "#!/bin/sh\nread -r client; read -r request\n"
        f'printf "%s\\n" "$request" >>"$FAKE_ROOT/asked"\ncase "$request" in\n{cases}esac\n'
    )
    host.write("fake-bin/postgresql", script, 0o755)


@pytest.fixture
def full(serving: FakeHost) -> FakeHost:
    """A server with something of everything."""
    answers(serving)
    store = {"local_content": 2, "local_thumbnails": 1, "remote_content": 5, "remote_thumbnail": 1,
             "url_cache": 1, "lost+found": 1}  # fmt: skip
    for name, size in store.items():
        fill(serving, f"{MEDIA}/{name}/aa/bb/file", size)
    serving.write(
        "etc/matrix-synapse/homeserver.yaml",
        "media_store_path: /var/lib/matrix-synapse/media\n"
        "signing_key_path: /etc/matrix-synapse/homeserver.signing.key\n",
    )
    fill(serving, "var/log/journal/id/system.journal", 3)
    fill(serving, "var/log/nginx/access.log", 1)
    fill(serving, "var/cache/apt/archives/some.deb", 4)
    fill(serving, "var/lib/altpeter-matrix/packages/synapse.deb", 2)
    return serving


def fill(host: FakeHost, path: str, size: int) -> None:
    target = host.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"x" * size * MIB)


def sizes(*parts: Part) -> dict[str, int]:
    """In MiB, by their keys."""
    return {one.key: round(one.size / MIB) for part in parts for one in part.all()}


def test_everything_is_there(full: FakeHost) -> None:
    found = survey(full.paths)
    assert found.problems == ()
    assert sizes(*found.parts).items() >= {
        "media": 11, "media-local": 3, "media-remote": 6, "media-previews": 1, "media-other": 1,
        "database": 12, "state-groups": 6, "events": 3, "database-other": 3,
        "database-log": 32, "database-others": 7, "logs": 4, "journal": 3, "logs-nginx": 1,
        "apt-cache": 4, "ours": 2, "packages": 2,
    }.items()  # fmt: skip
    assert [one.size for one in found.parts] == sorted((p.size for p in found.parts), reverse=True)
    assert found.tables[0].subject == "state groups"
    assert found.wasted_by_indexes == pytest.approx(900 * MIB, rel=0.01)
    assert (found.tables[1].dead, found.tables[1].unfilled) == (20, 5)
    [(_, first), (_, second)] = [(one.room, one) for one in found.rooms]
    assert first.size == 5 * MIB
    assert second.room.isprintable(), "Synapse's role says what it likes"
    [disk] = found.file_systems
    assert {"system", "logs", "media", "altpeter-matrix"} <= set(disk.holds)


def test_names_in_questions_are_postgresql_s_own(full: FakeHost) -> None:
    """Synapse's role may have made others in its database."""
    survey(full.paths)
    asked = [json.loads(line) for line in (full.root / "asked").read_text().splitlines()]
    assert [one["connect"]["user"] for one in asked] == [
        "matrix-synapse", "matrix-synapse", "matrix-synapse", "matrix-synapse", "postgres",
    ]  # fmt: skip
    for one in asked:
        assert "-c search_path=pg_catalog,pg_temp " in one["connect"]["options"]
        assert one["connect"]["dbname"] == {"postgres": "postgres"}.get(
            one["connect"]["user"], "synapse"
        )


def test_with_postgresql_stopped_the_rest_is_shown(full: FakeHost) -> None:
    full.write("fake-bin/postgresql", '#!/bin/sh\necho \'{"error": "no server"}\'\n', 0o755)
    found = survey(full.paths)
    [problem] = found.problems
    assert "no server" in problem.what
    assert "systemctl start postgresql" in problem.remedy
    assert {"media", "logs", "ours"} <= set(sizes(*found.parts))
    assert "database" not in sizes(*found.parts)


def test_a_table_that_is_locked_hides_no_more_than_tables(full: FakeHost) -> None:
    answers(full, pg_indexes_size="a lock")
    found = survey(full.paths)
    assert len(found.problems) == 1
    assert sizes(*found.parts)["database"] == 12
    assert sizes(*found.parts)["database-log"] == 32
    assert found.tables == ()


@pytest.mark.parametrize("row", [["x"], ["x", "much", None, True, -3, "y"], [None] * 6])
def test_a_database_that_lies_breaks_nothing(full: FakeHost, row: list[object]) -> None:
    answers(full, pg_indexes_size=[[row]], most_common_vals=[[row]])
    found = survey(full.paths)
    assert all(one.size >= 0 for one in found.tables)
    assert found.problems == ()


def test_media_that_are_gone_are_said(full: FakeHost) -> None:
    (full.root / MEDIA).rename(full.root / "elsewhere")
    [problem] = survey(full.paths).problems
    assert problem.where.endswith(MEDIA)
    assert "backup" in problem.remedy


def test_media_are_where_synapse_s_own_files_say(full: FakeHost) -> None:
    (full.root / MEDIA).rename(full.root / "srv")
    assert survey(full.paths).problems
    full.write("etc/matrix-synapse/conf.d/media.yaml", "media_store_path: /srv\n")
    assert sizes(*survey(full.paths).parts)["media"] == 11
    full.write("etc/matrix-synapse/conf.d/media.yaml", "media_store_path: null\n")
    assert media.store(full.paths) == full.root / "var/lib/matrix-synapse/media_store"
    with (full.paths.current / "synapse/altpeter-matrix.yaml").open("a") as ours:
        ours.write("media_store_path: /srv/of-the-settings\n")
    assert media.store(full.paths) == full.root / "srv/of-the-settings"


def test_media_on_a_disk_of_their_own_by_a_link_count(
    full: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(media, "look", looked.append)
    (full.root / MEDIA / "remote_content").rename(tmp_path / "large")
    (full.root / MEDIA / "remote_content").symlink_to(tmp_path / "large")
    (full.root / MEDIA / "local_content/aa/everything").symlink_to("/")
    found = survey(full.paths)
    assert looked == [full.root / MEDIA, full.root / MEDIA / "remote_content"]
    assert sizes(*found.parts)["media-remote"] == 6
    assert sizes(*found.parts)["media-local"] == 3


def test_what_takes_too_long_is_said_to_be_a_part(full: FakeHost) -> None:
    began = time.monotonic()
    found = survey(full.paths, seconds=0)
    assert time.monotonic() - began < 5
    assert [one.key for one in found.parts if not one.whole] == [
        "media",
        "logs",
        "ours",
        "apt-cache",
    ]


def test_a_database_elsewhere_is_no_problem(full: FakeHost) -> None:
    options = "database: {name: psycopg2, args: {host: db.example.org, dbname: synapse}}\n"
    (full.paths.current / "synapse/altpeter-matrix.yaml").write_text(options)
    found = survey(full.paths)
    assert found.problems == ()
    assert found.notes == ("Synapse's database is not in a PostgreSQL of this host.",)


def test_backups_on_this_host_are_shown(full: FakeHost) -> None:
    fill(full, "var/backups/matrix/synapse.dump", 8)
    full.settings(f"server_name: {NAME}\nupdates: {{backup: /var/backups/matrix}}\n")
    found = survey(full.paths)
    assert sizes(*found.parts)["backup"] == 8
    assert "backups" in found.file_systems[0].holds
    fill(full, "srv/backup/data/aa/pack", 5)
    full.settings(
        f"server_name: {NAME}\nupdates: {{backup: /var/backups/matrix}}\n"
        "backup: {to: /srv/backup}\n"
    )
    found = survey(full.paths)
    assert sizes(*found.parts).items() >= {"backup": 8, "own-backup": 5}.items()


def test_one_place_of_two_programs_is_counted_once(full: FakeHost) -> None:
    fill(full, "srv/backup/data/aa/pack", 5)
    full.settings(
        f"server_name: {NAME}\nupdates: {{backup: /srv/backup}}\nbackup: {{to: /srv/backup}}\n"
    )
    kept = [one.size // MIB for one in survey(full.paths).parts if "backup" in one.key]
    assert kept == [5]


def test_backups_elsewhere_are_no_directory_of_this_host(full: FakeHost) -> None:
    full.settings(f"server_name: {NAME}\nbackup: {{to: 'sftp:me@nas.example.org:/srv'}}\n")
    assert "own-backup" not in sizes(*survey(full.paths).parts)


def test_a_postgresql_that_does_not_serve_any_more_is_shown(full: FakeHost) -> None:
    data = full.root / "var/lib/postgresql/13/main"
    fill(full, "var/lib/postgresql/13/main/base/1", 9)
    full.write("usr/bin/pg_lsclusters", "")
    full.write("fake-bin/pg_lsclusters",
               f"#!/bin/sh\necho '13 main 5433 down postgres {data} /log'\n", 0o755)  # fmt: skip
    move = upgrade_journal.Move(upgrade_journal.Phase.MOVED, 13, 15, "main", 5432, "auto", True)
    upgrade_journal.Journal(full.paths).write(move)
    assert sizes(*survey(full.paths).parts)["old-cluster"] == 9


def test_a_host_with_nothing_is_looked_at(fresh: FakeHost) -> None:
    found = survey(fresh.paths)
    assert found.file_systems


@pytest.mark.parametrize(
    ("table", "expected"),
    [("state_groups_state", "state groups"), ("event_to_state_groups", "state groups"),
     ("event_search", "search"), ("event_json", "events and rooms"),
     ("devices", "devices and keys"), ("device_inbox", "devices and keys"),
     ("device_lists_outbound_pokes", "other servers"),
     ("event_push_actions", "notifications and read marks"), ("my_own", "other")],
)  # fmt: skip
def test_a_table_has_a_subject(table: str, expected: str) -> None:
    assert database.subject(table) == expected


def test_no_question_reads_a_table_of_synapse() -> None:
    """So the answer takes no longer on a large server."""
    for one in (database._TABLES, database._ROOMS, database._SIZE, *database._CLUSTER):
        named = one.text.replace("pg_catalog.", "").split()
        after = {word.strip("(),") for name, word in pairwise(named)
                 if name in {"from", "join"}}  # fmt: skip
        assert after <= {"pg_class", "pg_namespace", "pg_stats", "pg_ls_waldir", "pg_database",
                         "largest", "lateral", "pg_ls_waldir("}, after  # fmt: skip
