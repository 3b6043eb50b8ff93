"""A terminal with the release's own rich; tests/unit/cli/test_terminal.py has the rest."""

from tests.package.chroots import Chroot

# Unhealthy in a chroot, with text of its own settings in the error.
PREPARE = r"""
printf 'server_name: example.org\n"[red]\\e]0;owned\\a": 1\n' > /etc/altpeter-matrix/settings.yaml
altpeter-matrix apply || :
"""
SHOW = "TERM=xterm {} script --quiet --return --command 'altpeter-matrix status' /dev/null || :\n"


def test_status_is_coloured_at_a_terminal_and_nowhere_else(system: Chroot) -> None:
    system.run(PREPARE)
    piped = system.run("altpeter-matrix status || :\n")
    assert piped.startswith("NOT HEALTHY\nerror: ")
    assert "\x1b[1" not in piped and "\x1b[3" not in piped
    shown = system.run(SHOW.format("")).splitlines()
    assert shown[0] == "\x1b[1;31mNOT HEALTHY\x1b[0m"
    assert shown[1].startswith("\x1b[31merror: \x1b[0m")
    told = next(line for line in shown if "owned" in line)
    assert "[red]" in told and "\x1b]" not in told and "\x07" not in told
    assert "\x1b" not in system.run(SHOW.format("NO_COLOR=1"))
    assert "\x1b" not in system.run(SHOW.format("").replace("xterm", "dumb"))


def test_an_apply_with_nothing_to_do_has_no_time_for_it(system: Chroot) -> None:
    command = "python3 -X importtime /usr/sbin/altpeter-matrix apply"
    said = system.run(f"TERM=xterm script --quiet --return --command '{command}' /dev/null\n")
    assert "Nothing to do" in said and "altpeter_matrix.cli" in said
    assert " rich" not in said
