"""What the tool on the host is asked about before new settings are written."""

from dataclasses import replace

import yaml

from tasks.decide.trial_settings import settings_to_try
from tests.unit.deploy.decide.hosts import bare, wanted


def test_mail_is_tried_on_the_host_only_when_its_password_is_there() -> None:
    """Otherwise the host would refuse settings whose password comes right after."""
    email = {"smtp_host": "mail.example.org", "username": "m", "from": "m@example.org"}
    text = yaml.safe_dump({"server_name": "example.org", "email": email})
    target = replace(wanted(email=email), smtp_password="secret", settings_text=text)
    assert yaml.safe_load(settings_to_try(target, bare())) == {
        "server_name": "example.org", "email": None,
    }  # fmt: skip
    there = {"/etc/altpeter-matrix/secrets/smtp_password": "digest"}
    assert settings_to_try(target, replace(bare(), files=there)) == text
