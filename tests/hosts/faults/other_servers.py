"""That there is one Synapse."""

from collections.abc import Mapping

from . import Made

# In the place of one listener: the ports are taken.
_LISTENERS = """\
listeners:
  - {port: 18998, type: http, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}
"""
_CONFIGURATION = (
    "--config-path=/etc/matrix-synapse/homeserver.yaml --config-path=/etc/matrix-synapse/conf.d/"
)

MADE: Mapping[str, Made] = {
    # As somebody starts it who does not know that it runs.
    "second-synapse": Made(
        f"cat >/var/tmp/second.yaml <<'END'\n{_LISTENERS}END\n"
        "systemd-run --quiet --unit=second --uid=matrix-synapse"
        f" /opt/venvs/matrix-synapse/bin/python -m synapse.app.homeserver {_CONFIGURATION}"
        " --config-path=/var/tmp/second.yaml; sleep 1",
        tidy="systemctl reset-failed second 2>/dev/null || :",
    ),
}
NOT_MADE: Mapping[str, str] = {}
