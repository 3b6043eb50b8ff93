"""What the host tool that is installed says about new settings, while the old ones still serve."""

from pyinfra.api import FactBase, StringCommand


class SettingsCheck(FactBase[list[str]]):
    """What the installed host tool says about the settings on stdin; nothing when they are good.

    It also tries the local additions and the complete configuration with nginx and Synapse.
    """

    def command(self) -> StringCommand:
        return StringCommand(
            "umask 077; file=$(mktemp) && cat >$file;",
            "altpeter-matrix check --settings $file 2>&1 >/dev/null ||",
            'echo "exit $?"; rm -f $file; true',
        )

    @staticmethod
    def default() -> list[str]:
        return []

    def process(self, output: list[str]) -> list[str]:
        if not any(line.startswith("exit ") for line in output):
            return []
        return [line for line in output if not line.startswith("exit ")] or output
