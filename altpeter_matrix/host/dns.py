"""What DNS says, as the resolver of this host has it; /etc/hosts, which usually maps the host's own
name to itself, does not count."""

from ..base.errors import HostError, Problem
from ..base.time_limit import at_most

_SECONDS = 3.0


class ResolverDead(HostError):
    """The resolver does not answer, or only that it cannot."""


def lookup(name: str, kind: str) -> list[str]:
    """The records of one kind (A, AAAA, SRV) as a zone file has them, without the final dots.

    Nothing where there are none. ResolverDead when nobody says so.
    """
    # What loads it takes as long as all questions to it.
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        answer = dns.resolver.Resolver().resolve(
            f"{name}.", kind, lifetime=at_most(_SECONDS), raise_on_no_answer=False
        )
    except dns.resolver.NXDOMAIN:
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise ResolverDead(
            Problem("/etc/resolv.conf", f"no answer ({type(error).__name__})", "look at it")
        ) from None
    return sorted(one.to_text().rstrip(".") for one in answer.rrset or ())
