"""What the adoption of a server that was set up by hand would do, as the host itself says."""

import base64
import io
import tarfile
from dataclasses import dataclass
from functools import cache

from pyinfra.api import FactBase, QuoteString, StringCommand

from ..base.paths import TOP

# Debian's libraries for our package, or those that every Synapse brings along.
_PYTHONS = "/usr/bin/python3 /opt/venvs/matrix-synapse/bin/python"
# Not as a module of the working directory: programs of other users start in that.
_RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from altpeter_matrix.adopt.rehearsal import main; sys.exit(main(sys.argv[2:]))"
)


@dataclass(frozen=True)
class Rehearsed:
    """What the host would say to its adoption."""

    report: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # what cannot be carried over


# No answer is no consent.
FAILED = Rehearsed(problems=("altpeter-matrix adopt: could not be rehearsed",))


class Rehearsal(FactBase[Rehearsed]):
    """The report of an adoption, or what forbids it, from the tool in its bundle on stdin.

    Nothing is installed for it: the bundle is unpacked into memory, used and removed.
    """

    def command(self) -> StringCommand:
        return StringCommand(
            "umask 077; directory=$(mktemp -d -p /run) && base64 -d | tar -xz -C $directory;",
            f"for python in {_PYTHONS}; do",
            "$python -c 'import jinja2, jsonschema, yaml' 2>/dev/null && break; done;",
            "cd / && PYTHONDONTWRITEBYTECODE=1 $python -c",
            QuoteString(_RUN),
            '"$directory" "$directory/settings.yaml" 2>&1; echo "exit $?"; rm -rf "$directory"',
        )

    def process(self, output: list[str]) -> Rehearsed:
        *said, status = output or ["exit ?"]
        errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
        if status == "exit 0" and not errors:
            return Rehearsed(report=tuple(said))
        # No problem of ours, but a broken run: its last words are all there is.
        return Rehearsed(problems=tuple(errors) or (" ".join(said[-3:]) or status,))


@cache
def _tool() -> tuple[tuple[str, bytes], ...]:
    """The host tool of this checkout: code, templates and schema."""
    files = [*(TOP / "altpeter_matrix").rglob("*.py"), *(TOP / "files").rglob("*")]
    return tuple(
        (str(file.relative_to(TOP)), file.read_bytes()) for file in sorted(files) if file.is_file()
    )


def bundle(settings_text: str) -> str:
    """The tool and the settings that it is to try, as base64 of a compressed archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in (*_tool(), ("settings.yaml", settings_text.encode())):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    text = base64.b64encode(packed.getvalue()).decode()
    return "\n".join(text[at : at + 4096] for at in range(0, len(text), 4096))
