"""Passwords as the inventory gives them."""

from pathlib import Path
from typing import Any

import pytest

from tasks.inventory.target import read_target
from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import fake_state
from tests.unit.deploy.runs import PASSWORD, WITH_MAIL, data, deploy_bare

__all__ = ["data"]


def test_a_mail_password_in_plain_text_is_refused(data: dict[str, Any]) -> None:
    data |= {"matrix": dict(WITH_MAIL), "smtp_password": PASSWORD}
    with pytest.raises(Refused, match="smtp_password_file") as refused:
        deploy_bare(data)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r\n\r\n"])
def test_a_password_file_of_any_system_says_the_password(
    data: dict[str, Any], tmp_path: Path, mark: bytes, end: bytes
) -> None:
    file = tmp_path / "smtp password"
    file.write_bytes(mark + PASSWORD.encode() + end)
    data |= {"matrix": dict(WITH_MAIL), "smtp_password_file": str(file)}
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        assert read_target(host).smtp_password == PASSWORD


def test_a_password_file_of_two_lines_is_refused(data: dict[str, Any], tmp_path: Path) -> None:
    for text in ("one\ntwo\n", "one\rtwo", "\n"):
        (tmp_path / "password").write_bytes(text.encode())
        data |= {"matrix": dict(WITH_MAIL), "smtp_password_file": str(tmp_path / "password")}
        with pytest.raises(Refused, match="is not one line of text"):
            deploy_bare(data)
