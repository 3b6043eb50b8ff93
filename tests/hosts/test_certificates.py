"""Certificates from the ACME server, and their renewal under load."""

from tests.hosts.deployments import Deployment
from tests.hosts.probes import VERSIONS, Traffic, login, request


def test_the_certificate_is_the_acme_servers_and_covers_every_name(
    deployment: Deployment,
) -> None:
    names = {deployment.server_name, deployment.public_name}
    names |= set(deployment.settings.get("aliases", ()))
    for name in names:
        # `request` verifies the chain and the name against the lab's authorities.
        certificate = request(deployment, VERSIONS, name=name).certificate
        issuer = dict(pair for part in certificate["issuer"] for pair in part)
        assert "Pebble" in issuer["commonName"]
        covered = {value for kind, value in certificate["subjectAltName"] if kind == "DNS"}
        assert covered == names


def test_the_federation_port_serves_the_same_certificate(deployment: Deployment) -> None:
    serial = request(deployment).certificate["serialNumber"]
    assert request(deployment, port=8448).certificate["serialNumber"] == serial


def test_a_forced_renewal_is_served_and_fails_no_request(deployment: Deployment) -> None:
    before = request(deployment).certificate["serialNumber"]
    with Traffic(deployment, login(deployment)) as traffic:
        deployment.host.run(
            "certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew", "--quiet"
        )
        while_renewing = traffic.answered
        after = request(deployment).certificate["serialNumber"]
    assert traffic.failures == []
    assert while_renewing > 20
    assert after != before
    assert request(deployment, port=8448).certificate["serialNumber"] == after


def test_the_renewal_runs_by_itself(deployment: Deployment) -> None:
    host = deployment.host
    assert host.run("systemctl", "is-active", "certbot.timer").stdout.strip() == "active"
    host.run("systemctl", "start", "certbot.service")
    result = host.run("systemctl", "show", "-P", "Result", "certbot.service").stdout.strip()
    assert result == "success"
