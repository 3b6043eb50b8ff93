"""Passwords that the inventory gives: in a file on the administrator's machine, or hidden."""

from pathlib import Path

from pyinfra.api import Host
from pyinfra.api.hiddenvalue import HiddenValue

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.text import decoded, only_line


def given_password(host: Host, source: str, name: str, problems: list[Problem]) -> str | None:
    """The password that `NAME_file` names, or that `NAME` holds as a HiddenValue; None for none.

    source: the file that holds the host's data. What is wrong is added to `problems`.
    """
    given, file = host.data.get(name), host.data.get(f"{name}_file")
    where = f"{source}: {name} ({host.name})"
    if isinstance(given, HiddenValue):
        password = only_line(str(given.unmask()))
    elif given is not None:
        problems.append(
            Problem(
                where,
                "is plain text, which `pyinfra --debug` prints",
                f"name a file that holds it with `{name}_file`, or wrap it in"
                " pyinfra.api.hiddenvalue.HiddenValue",
            )
        )
        return None
    elif file is not None:
        try:
            password = only_line(decoded(Path(file).expanduser().read_bytes()).strip())
        except (OSError, UnicodeDecodeError) as error:
            problems.append(
                Problem(
                    f"{source}: {name}_file ({host.name})",
                    f"{file} cannot be read ({error})",
                    "write the password into that file, on this machine",
                )
            )
            return None
    else:
        return None
    if password is None:
        problems.append(Problem(where, "is not one line of text", "write the password in one line"))
    return password
