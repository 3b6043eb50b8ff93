"""Whether nginx serves where others ask."""

from collections.abc import Mapping

from . import Made

_RULE = "INPUT -i lo -p tcp --dport 443 ! -d {0} -j REJECT --reject-with tcp-reset"
_IPV4, _IPV6 = _RULE.format("127.0.0.0/8"), _RULE.format("::1")

MADE: Mapping[str, Made] = {
    "not-served-outside": Made(f"iptables -I {_IPV4}", cure=f"iptables -D {_IPV4}"),
    "ipv6-not-served": Made(f"ip6tables -I {_IPV6}", cure=f"ip6tables -D {_IPV6}"),
}
NOT_MADE: Mapping[str, str] = {}
