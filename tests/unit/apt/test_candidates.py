"""Which Synapse apt would install, from what apt-cache says of odd hosts."""

import pytest

from altpeter_matrix.apt import candidates
from altpeter_matrix.apt.candidates import Offer, offer
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import HostError

PACKAGE = "matrix-synapse-py3"
# As apt 2.6 (Debian 12) and 3.0 (Debian 13) write it.
HELD_BACK = """\
matrix-synapse-py3:
  Installed: 1.157.2+bookworm1
  Candidate: 1.157.2+bookworm1
  Package pin: 1.157.2+bookworm1
  Version table:
     1:1.163.2~rc1+bookworm1 -1
        500 https://packages.matrix.org/debian bookworm/main amd64 Packages
        500 cdrom:[Debian GNU/Linux 12 500]/ bookworm/main amd64 Packages
 *** 1.157.2+bookworm1 1001
        500 https://packages.matrix.org/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
     1.9.0 500 (phased 10%)
        500 http://mirror.example.org/debian bookworm/main amd64 Packages
"""
NO_CANDIDATE = """\
matrix-synapse-py3:
  Installed: 1.163.2+bookworm1
  Candidate: (none)
  Version table:
 *** 1.163.2+bookworm1 -1
        100 /var/lib/dpkg/status
"""
VIRTUAL = "mail-transport-agent:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"


def said(monkeypatch: pytest.MonkeyPatch, out: str, err: str = "", status: int = 0) -> None:
    def run(*argv: str, **_options: object) -> Result:
        return Result(argv, status, out, err)

    monkeypatch.setattr(candidates, "run", run)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            HELD_BACK,
            Offer("1.157.2+bookworm1", ("1:1.163.2~rc1+bookworm1", "1.157.2+bookworm1", "1.9.0")),
        ),
        (NO_CANDIDATE, Offer(None, ("1.163.2+bookworm1",))),
        (VIRTUAL, Offer(None, ())),
        ("", Offer(None, ())),  # it knows of none: the exit status is 0 all the same
    ],
)
def test_what_apt_offers(text: str, expected: Offer, monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch, text)
    assert offer(PACKAGE) == expected


def test_what_keeps_apt_from_answering_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """apt shows the table all the same, without the pins: it must not be believed."""
    broken = "E: Invalid record in the preferences file /etc/apt/preferences.d/mine, no Package"
    said(monkeypatch, NO_CANDIDATE, f"{broken}\n", 100)
    with pytest.raises(HostError) as refused:
        offer(PACKAGE)
    assert broken in str(refused.value)
    assert "Version table" not in str(refused.value)
