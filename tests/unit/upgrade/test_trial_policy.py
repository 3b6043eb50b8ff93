"""When a new version of Synapse counts as well, as wrong, or as still at work."""

from dataclasses import replace

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.upgrade.trial_policy import (
    ANSWERS_SLOWLY_WITHIN,
    ANSWERS_WITHIN,
    READY_WITHIN,
    SETTLED_AFTER,
    Look,
    Verdict,
    Watch,
    ready_within,
)

WRONG = Problem("/_matrix/client/versions", "answers 500", "read the log")


def until_verdict(watch: Watch, *looks: Look) -> tuple[Verdict | None, float]:
    """The first verdict, and when."""
    for look in looks:
        verdict = watch.see(look)
        if verdict is not None:
            return verdict, look.at
    return None, looks[-1].at


def starting(
    begin: float, end: float, in_database: bool = False, answers: bool = False
) -> list[Look]:
    return [
        Look(float(at), "activating", in_database=in_database, answers=answers, database=True)
        for at in range(int(begin), int(end))
    ]


def running(begin: float, end: float, wrong: Problem | None = None) -> list[Look]:
    return [
        Look(float(at), "active", thorough=wrong is None, wrong=wrong, database=True)
        for at in range(int(begin), int(end))
    ]


def test_a_version_that_answers_for_more_than_a_minute_is_well() -> None:
    verdict, at = until_verdict(Watch(), *starting(0, 8), *running(8, 200))
    assert verdict is Verdict.PASSED
    assert at == 8 + SETTLED_AFTER


def test_a_version_that_strangers_keep_busy_for_a_while_is_not_wrong() -> None:
    silent = [replace(look, slow=True) for look in running(8, 8 + 40, WRONG)]
    looks = [*starting(0, 8), *silent, *running(48, 200)]
    assert until_verdict(Watch(), *looks) == (Verdict.PASSED, 8 + SETTLED_AFTER)


def test_a_version_that_never_answers_is_wrong() -> None:
    silent = [replace(look, slow=True) for look in running(8, 200, WRONG)]
    verdict, at = until_verdict(Watch(), *starting(0, 8), *silent)
    assert (verdict, at) == (Verdict.FAILED, 8 + ANSWERS_SLOWLY_WITHIN)


def test_no_version_passes_before_it_was_asked_for_everything() -> None:
    shallow = [Look(float(at), "active") for at in range(200)]
    assert until_verdict(Watch(), *shallow)[0] is None


def test_no_version_passes_while_dpkg_is_at_work_on_it() -> None:
    looks = [
        Look(float(at), "active", thorough=True, configured=False, busy=True) for at in range(200)
    ]
    assert until_verdict(Watch(), *looks)[0] is None
    broken_off = [Look(float(at), "active", thorough=True, configured=False) for at in range(200)]
    assert until_verdict(Watch(), *broken_off)[0] is Verdict.INTERRUPTED


def test_wrong_answers_for_a_moment_are_forgiven() -> None:
    looks = [*running(0, 30), *running(30, 45, WRONG), *running(45, 90)]
    assert until_verdict(Watch(), *looks)[0] is Verdict.PASSED


def test_wrong_answers_that_last_are_a_failure() -> None:
    watch = Watch()
    verdict, at = until_verdict(watch, *starting(0, 8), *running(8, 200, WRONG))
    assert (verdict, at, watch.reason) == (Verdict.FAILED, 8 + ANSWERS_WITHIN, WRONG)


def test_a_version_that_is_never_ready_is_a_failure() -> None:
    watch = Watch()
    verdict, at = until_verdict(watch, *starting(0, 300))
    assert (verdict, at) == (Verdict.FAILED, READY_WITHIN)
    assert watch.reason is not None and "does nothing in the database" in watch.reason.what


def test_on_a_slow_machine_a_version_may_take_as_long_as_the_last_one_did() -> None:
    """And more; but what a migration took does not count."""
    first = Watch(within=300)
    looks = [*starting(0, 600, in_database=True), *starting(600, 661), *running(661, 800)]
    assert until_verdict(first, *looks)[0] is Verdict.PASSED
    assert 60 <= first.took <= 62
    next_one = Watch(within=ready_within(first.took))
    assert until_verdict(next_one, *starting(0, 90), *running(90, 200))[0] is Verdict.PASSED
    hangs = until_verdict(Watch(within=ready_within(first.took)), *starting(0, 900))
    assert hangs == (Verdict.FAILED, 3 * first.took)


def test_a_quick_machine_has_no_less_than_others() -> None:
    assert ready_within(0) == ready_within(4) == READY_WITHIN


def test_a_migration_may_take_as_long_as_it_needs() -> None:
    watch = Watch()
    looks = [*starting(0, 4000, in_database=True)]
    assert until_verdict(watch, *looks)[0] is None
    assert watch.migrating
    assert until_verdict(watch, *starting(4000, 4020), *running(4020, 4200))[0] is Verdict.PASSED


def test_work_in_the_database_is_no_migration_once_it_answers() -> None:
    watch = Watch()
    verdict, _ = until_verdict(watch, *starting(0, 300, in_database=True, answers=True))
    assert verdict is Verdict.FAILED
    assert watch.reason is not None and "though it answers" in watch.reason.what


def test_failed_starts_are_counted() -> None:
    looks = [
        Look(float(at), "activating", restarting=at % 6 > 2, restarts=at // 6, database=True)
        for at in range(200)
    ]
    assert until_verdict(Watch(), *looks) == (Verdict.FAILED, 18)


def test_without_postgresql_no_version_is_judged() -> None:
    looks = [Look(float(at), "activating", restarts=at // 6, database=False) for at in range(200)]
    assert until_verdict(Watch(), *looks)[0] is None
    wrong = [Look(float(at), "active", wrong=WRONG, database=False) for at in range(200)]
    assert until_verdict(Watch(), *wrong)[0] is None


def test_one_crash_after_it_was_ready_is_enough() -> None:
    watch = Watch()
    crash = Look(69, "activating", restarting=True, restarts=1, database=True)
    verdict, at = until_verdict(watch, *running(8, 69), crash, *running(75, 200))
    assert (verdict, at) == (Verdict.FAILED, 69)


def test_a_restart_by_a_person_is_no_crash() -> None:
    looks = [
        *running(0, 20), Look(20, "deactivating"), *starting(21, 28), *running(28, 28 + 100)
    ]  # fmt: skip
    assert until_verdict(Watch(), *looks) == (Verdict.PASSED, 28 + SETTLED_AFTER)


def test_memory_is_a_reason() -> None:
    for look in (Look(3, "active", result="oom-kill"), Look(3, "active", hungry="uses 3000 MB")):
        watch = Watch()
        assert watch.see(look) is Verdict.FAILED
        assert watch.reason is not None


def test_a_stopped_synapse_is_left_alone() -> None:
    looks = [Look(float(at), "inactive") for at in range(60)]
    assert until_verdict(Watch(), *looks)[0] is Verdict.STOPPED
    while_dpkg = [Look(float(at), "inactive", busy=True) for at in range(60)]
    assert until_verdict(Watch(), *while_dpkg)[0] is None


def test_a_migration_in_a_database_elsewhere_is_not_killed() -> None:
    looks = [Look(float(at), "activating", database=None) for at in range(1000)]
    watch = Watch()
    assert until_verdict(watch, *looks)[0] is None
    assert watch.migrating


def test_postgresql_that_was_away_for_long_leaves_nothing_to_pay_for() -> None:
    away = [Look(float(at), "activating", restarts=at // 6, database=False) for at in range(60)]
    # Seen only once PostgreSQL is back; its fault all the same.
    last = Look(60, "activating", restarting=True, restarts=10, database=True)
    back = [Look(float(at), "activating", restarts=10, database=True) for at in range(61, 68)]
    later = [
        Look(float(at), "active", restarts=10, thorough=True, database=True)
        for at in range(68, 200)
    ]
    assert until_verdict(Watch(), *away, last, *back, *later)[0] is Verdict.PASSED


def test_a_start_that_systemd_gave_up_without_postgresql_is_not_judged() -> None:
    assert Watch().see(Look(0, "failed", database=False)) is Verdict.STOPPED
    assert Watch().see(Look(0, "failed", database=True)) is Verdict.FAILED


def test_parts_of_two_versions_are_not_judged() -> None:
    """Synapse may crash while dpkg replaces its files, or what it needs of other packages."""
    crashes = [
        Look(float(at), "activating", restarts=at // 6, incomplete=True, busy=True)
        for at in range(120)
    ]
    watch = Watch(ready=True)
    assert until_verdict(watch, *crashes)[0] is None
    # Nor is what was seen of them held against what is whole.
    crash = Look(120, "activating", restarting=True, restarts=20)
    whole = [Look(float(at), "active", restarts=20, thorough=True) for at in range(121, 300)]
    assert until_verdict(watch, crash, *whole)[0] is Verdict.PASSED


def test_the_version_before_does_not_count_as_the_new_one_that_was_ready() -> None:
    """Which may then begin badly, and be well once dpkg has come to our trigger."""
    before = [Look(float(at), "active", busy=True, former=True) for at in range(20)]
    crash = Look(20, "activating", restarting=True, restarts=1, configured=False, busy=True)
    watch = Watch()
    assert until_verdict(watch, *before)[0] is None
    assert not watch.ready
    new = [replace(look, restarts=1) for look in (*starting(21, 29), *running(29, 200))]
    assert until_verdict(watch, crash, *new) == (Verdict.PASSED, 29 + SETTLED_AFTER)


def test_no_version_has_to_pay_for_files_of_ours_that_somebody_changed() -> None:
    crashes = [Look(float(at), "activating", restarts=at // 6, spoilt=True) for at in range(120)]
    while_dpkg = [replace(look, busy=True) for look in crashes]
    assert until_verdict(Watch(), *while_dpkg)[0] is None
    watch = Watch()
    assert until_verdict(watch, *crashes) == (Verdict.SPOILT, 18)
    assert watch.reason is None
    assert until_verdict(Watch(ready=True), *crashes) == (Verdict.SPOILT, 6)


def test_parts_of_two_versions_that_dpkg_left_are_no_versions_fault() -> None:
    crashes = [
        Look(float(at), "activating", restarts=at // 6, incomplete=True) for at in range(120)
    ]
    assert until_verdict(Watch(), *crashes) == (Verdict.BROKEN_OFF, 18)
