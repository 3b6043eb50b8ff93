"""The linter: what Synapse accepts in silence although it is not what was meant."""

from typing import Any

import pytest
import yaml

from altpeter_matrix.base.errors import Objection
from altpeter_matrix.base.resources import known_synapse_options
from altpeter_matrix.render.generation import LocalAdditions, RenderSecrets
from altpeter_matrix.render.lint import lint
from altpeter_matrix.render.synapse_config import options

from ..samples import DELEGATED, WIKI, facts, settings

CONF_D = "/etc/matrix-synapse/conf.d"


def findings(
    text: str = DELEGATED,
    synapse_d: dict[str, str] | None = None,
    others: dict[str, str] | None = None,
) -> list[Objection]:
    additions = LocalAdditions(synapse=synapse_d or {})
    return list(lint(settings(text), facts(), additions, RenderSecrets("pw"), others or {}))


def only(text: str = DELEGATED, **more: Any) -> str:
    (finding,) = findings(text, **more)
    return str(finding)


def with_listener(**changes: Any) -> str:
    """synapse.d with nginx's listener changed."""
    listener = {
        "port": 8008,
        "type": "http",
        "x_forwarded": True,
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": ["client", "federation"]}],
        **changes,
    }
    return yaml.safe_dump({"listeners": [listener]})


@pytest.mark.parametrize("text", [DELEGATED, WIKI])
def test_our_own_options_are_clean(text: str) -> None:
    assert findings(text) == []


def test_every_option_we_set_is_known() -> None:
    assert set(options(settings(WIKI), facts(), "pw")) <= known_synapse_options()


def test_a_misspelt_option_in_the_settings_is_named_with_its_neighbour() -> None:
    assert only(DELEGATED + "synapse: {turn-shared-secret_path: /x}") == (
        "warning: settings.yaml: synapse.turn-shared-secret_path: is no option of Synapse that "
        "this package knows; did you mean turn_shared_secret_path?"
    )


def test_a_misspelt_option_in_synapse_d_is_named_with_its_file() -> None:
    assert only(synapse_d={"a.yaml": "precense: {enabled: true}"}) == (
        "warning: /etc/altpeter-matrix/synapse.d/a.yaml: precense: is no option of Synapse that "
        "this package knows; did you mean presence?"
    )


def test_an_option_of_a_newer_synapse_is_only_a_warning() -> None:
    (finding,) = findings(synapse_d={"a.yaml": "zebra_crossing: 1"})
    assert finding.severity == "warning"


def test_a_group_that_drops_what_we_set_is_told_what_it_drops() -> None:
    message = only(WIKI, synapse_d={"a.yaml": "email: {notif_from: a@b.org, smtp_host: h}"})
    assert message == (
        "warning: /etc/altpeter-matrix/synapse.d/a.yaml: email: replaces this package's email as "
        "a whole and so drops smtp_port, require_transport_security, smtp_user, smtp_pass, "
        "app_name, enable_notifs; repeat them here if you still want them"
    )


def test_options_that_nginx_must_agree_with_have_a_setting() -> None:
    message = only(DELEGATED + "synapse: {max_upload_size: 100M}")
    assert "is not what nginx follows, uploads.max_size" in message
    message = only(DELEGATED + "synapse: {public_baseurl: 'https://x.org/'}")
    assert "is not what nginx follows, public_name" in message


def test_uploads_that_synapse_cannot_store_are_reported() -> None:
    assert findings(DELEGATED + "uploads: {max_size: 2G}") == []
    assert only(DELEGATED + "uploads: {max_size: 3G}") == (
        "warning: settings.yaml: uploads.max_size: is more than the 2G of a file that Synapse can "
        "store; write 2G or less"
    )


def test_email_without_a_sender_is_an_error_because_synapse_would_not_start() -> None:
    found = findings(DELEGATED + "synapse: {email: {smtp_host: localhost}}")
    assert [one.severity for one in found] == ["error"]
    assert "settings.yaml: synapse.email: has no notif_from" in str(found[0])


@pytest.mark.parametrize("key", ["force_tls", "require_transport_security"])
def test_demanding_and_forbidding_encryption_is_an_error(key: str) -> None:
    email = f"{{notif_from: a@b.org, enable_tls: false, {key}: true}}"
    found = findings(DELEGATED + f"synapse: {{email: {email}}}")
    assert [one.severity for one in found] == ["error"]
    assert f"email.{key}: contradicts enable_tls: false" in str(found[0])


@pytest.mark.parametrize(
    "changes",
    [{"port": 8009}, {"type": "metrics"}, {"bind_addresses": ["10.0.0.1"]},
     {"resources": [{"names": ["federation"]}]}, {"resources": 5}],
)  # fmt: skip
def test_a_listener_that_nginx_cannot_reach_is_an_error(changes: dict[str, Any]) -> None:
    found = findings(synapse_d={"a.yaml": with_listener(**changes)})
    errors = [str(one) for one in found if one.severity == "error"]
    assert errors == [
        "error: /etc/altpeter-matrix/synapse.d/a.yaml: listeners: has no http listener for "
        "clients on 127.0.0.1:8008, where nginx forwards; add one with port: 8008, "
        "bind_addresses: ['127.0.0.1'] and x_forwarded: true"
    ]


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["127.0.0.1", "192.0.2.1"], []])
def test_a_listener_open_to_the_world_is_reported(addresses: list[str]) -> None:
    message = only(synapse_d={"a.yaml": with_listener(bind_addresses=addresses)})
    assert message.startswith(
        "warning: /etc/altpeter-matrix/synapse.d/a.yaml: listeners.0.bind_addresses: listens on "
    )


def test_a_listener_that_believes_nobody_is_an_error() -> None:
    message = only(synapse_d={"a.yaml": with_listener(x_forwarded=False)})
    assert message.startswith(
        "error: /etc/altpeter-matrix/synapse.d/a.yaml: listeners.0.x_forwarded: is not true"
    )


def test_metrics_on_the_public_listener_are_an_error() -> None:
    resources = [{"names": ["client", "federation", "metrics"]}]
    message = only(synapse_d={"a.yaml": with_listener(resources=resources)})
    assert message.startswith(
        "error: /etc/altpeter-matrix/synapse.d/a.yaml: listeners.0.resources: serves metrics beside"
    )


@pytest.mark.parametrize(("mode", "good"), [("0660", True), ("660", False), ("0o660", False)])
def test_a_socket_mode_that_yaml_does_not_read_as_octal_is_an_error(mode: str, good: bool) -> None:
    public = "{port: 8008, type: http, x_forwarded: true, bind_addresses: ['127.0.0.1'], "
    public += "resources: [{names: [client]}]}"
    socket = f"{{path: /run/x.sock, type: http, mode: {mode}, resources: [{{names: [client]}}]}}"
    found = findings(synapse_d={"a.yaml": f"listeners: [{public}, {socket}]"})
    assert [one.severity for one in found] == ([] if good else ["error"])


def test_a_file_read_after_ours_that_wins_over_it_is_named() -> None:
    assert only(others={f"{CONF_D}/60-x.yaml": "enable_registration: true"}) == (
        f"warning: {CONF_D}/60-x.yaml: enable_registration: is read after this package's file and "
        "wins over it; move it to /etc/altpeter-matrix/synapse.d, or remove it"
    )


def test_a_file_read_before_ours_that_has_no_effect_is_named() -> None:
    message = only(others={f"{CONF_D}/10-x.yaml": "enable_registration: true"})
    assert "has no effect, because this package's file is read after it" in message


def test_another_file_with_the_same_value_or_other_options_is_fine() -> None:
    others = {f"{CONF_D}/60-x.yaml": "enable_registration: false\nadmin_contact: mailto:a@b.org"}
    assert findings(others=others) == []


def test_synapses_own_defaults_may_be_replaced() -> None:
    others = {"/etc/matrix-synapse/homeserver.yaml": "log_config: /etc/matrix-synapse/log.yaml"}
    assert findings(others=others) == []


def test_an_option_that_stands_twice_in_another_file_is_named_with_its_line() -> None:
    message = only(others={f"{CONF_D}/x.yaml": "a: 1\na: 2"})
    assert message.startswith(f"warning: {CONF_D}/x.yaml: line 2: the key a is there twice")


def test_a_user_agent_that_stops_synapse_is_an_error() -> None:
    assert only(DELEGATED + "synapse: {user_agent_suffix: ü}").startswith(
        "error: settings.yaml: synapse.user_agent_suffix: has letters beyond ASCII"
    )
