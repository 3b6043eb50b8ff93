"""Which moments pgBackRest's files lead to. Numbers and names are made as pgBackRest 2.45 and 2.55
print them."""

from typing import Any

from altpeter_matrix.backup.archive_content import Content, Span, parsed

_SIZE = 16 * 1024**2
_CHECKSUM = "337b70be5faf5ec23b827831c860a9794f64a746"


def info(*backups: tuple[str, int, int, str], error: bool = False) -> list[dict[str, Any]]:
    """Backups: type, when it ended, number of the database, first and last file."""
    versions = {1: "15", 2: "17"}
    used = sorted({number for _, _, number, _ in backups})
    return [
        {
            "archive": [
                {"database": {"id": one, "repo-key": 1}, "id": f"{versions[one]}-{one}"}
                for one in used
            ],
            "backup": [
                {
                    "type": kind,
                    "error": error,
                    "database": {"id": number, "repo-key": 1},
                    "archive": {"start": files.split("-")[0], "stop": files.split("-")[-1]},
                    "timestamp": {"start": end - 5, "stop": end},
                }
                for kind, end, number, files in backups
            ],
            "db": [{"id": one, "version": versions[one]} for one in used],
        }
    ]


def listed(*numbers: int, archive: str = "15-1", timeline: int = 1) -> dict[str, dict[str, Any]]:
    """Each file got there a hundred seconds after the one before it."""
    found: dict[str, dict[str, Any]] = {"archive.info": {"type": "file", "time": 1}}
    for number in numbers:
        name = f"{timeline:08X}{number // 256:08X}{number % 256:08X}"
        path = f"{archive}/{name[:16]}/{name}-{_CHECKSUM}.zst"
        found[path] = {"type": "file", "time": number * 100}
        found[f"{archive}/{name[:16]}"] = {"type": "path"}
    return found


def name(number: int) -> str:
    return f"{1:08X}{number // 256:08X}{number % 256:08X}"


def test_nothing_is_there_before_the_first_backup() -> None:
    assert parsed([], {}, _SIZE) == Content()
    assert parsed([{"archive": [], "backup": [], "db": []}], listed(1), _SIZE) == Content()


def test_a_backup_leads_to_the_end_of_what_is_there() -> None:
    found = parsed(info(("full", 350, 1, name(3))), listed(1, 2, 3, 4, 5), _SIZE)
    assert found == Content((Span(350, 500, whole=True, version=15),), full=350)
    assert not found.lost


def test_files_follow_each_other_over_the_end_of_a_log() -> None:
    found = parsed(info(("full", 25450, 1, name(254))), listed(*range(254, 259)), _SIZE)
    assert [span.end for span in found.spans] == [25800] and not found.lost


def test_a_file_that_is_missing_ends_it_until_the_next_backup() -> None:
    lacking = listed(1, 2, 3, 4, 7, 8)
    found = parsed(info(("full", 250, 1, name(2))), lacking, _SIZE)
    assert found.lost and found.spans == (Span(250, 400, whole=False, version=15),)
    both = info(("full", 250, 1, name(2)), ("diff", 790, 1, name(7)))
    found = parsed(both, lacking, _SIZE)
    assert not found.lost
    assert found.spans == (Span(250, 400, False, 15), Span(790, 800, True, 15))


def test_backups_that_lead_to_the_same_end_are_one_span() -> None:
    both = info(("full", 250, 1, name(2)), ("diff", 450, 1, f"{name(4)}-{name(5)}"))
    assert parsed(both, listed(*range(1, 7)), _SIZE).spans == (Span(250, 600, True, 15),)


def test_a_backup_without_what_was_written_meanwhile_is_none() -> None:
    found = parsed(info(("full", 450, 1, f"{name(4)}-{name(6)}")), listed(4, 5, 7), _SIZE)
    assert found.spans == ()


def test_a_backup_of_damaged_pages_is_none() -> None:
    found = parsed(info(("full", 450, 1, name(4)), error=True), listed(4, 5), _SIZE)
    assert found == Content()


def test_after_a_move_only_backups_of_the_new_cluster_count_for_it() -> None:
    files = {**listed(1, 2, 3), **listed(1, 2, archive="17-2")}
    found = parsed(info(("full", 150, 1, name(1)), ("full", 180, 2, name(1))), files, _SIZE)
    assert {(span.version, span.end) for span in found.spans} == {(15, 300), (17, 200)}
    assert found.full == 180
    moved = info(("full", 150, 1, name(1)))
    moved[0]["db"].append({"id": 2, "version": "17"})
    assert parsed(moved, listed(1, 2), _SIZE).full == 0
