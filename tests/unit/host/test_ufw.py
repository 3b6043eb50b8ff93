"""ufw's rules, as its files have them."""

from altpeter_matrix.host import ufw

FILE = """\
*filter
### RULES ###

### tuple ### deny tcp 443 0.0.0.0/0 any 203.0.113.0/24 in
-A ufw-user-input -p tcp --dport 443 -s 203.0.113.0/24 -j DROP

### tuple ### allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in comment=6d61747269
-A ufw-user-input -p tcp --dport 443 -j ACCEPT

### tuple ### limit tcp 22 ::/0 any ::/0 in
### END RULES ###
"""


def test_the_first_rule_for_everybody_decides() -> None:
    rules = ufw.rules(FILE)
    assert [one.action for one in rules] == ["deny", "allow", "limit"]
    decided = ufw.verdict(rules, 443)
    assert decided is not None and decided.opens(443, "tcp") and decided.name == "443/tcp"
    limited = ufw.verdict(rules, 22)
    assert limited is not None and limited.opens(22, "tcp"), "by IPv6, too"
    assert ufw.verdict(rules, 80) is None


def test_what_the_kernel_has() -> None:
    shown = (
        "-N ufw6-user-input\n-A ufw6-user-input -p tcp -m tcp --dport 443 -j ACCEPT\n"
        "-A ufw6-user-input -p tcp -m tcp --dport 22 -j ufw6-user-limit-accept\n"
        "-A ufw6-user-input -p tcp -m tcp --dport 80 -j DROP\n"
    )
    assert ufw.live_ports(shown) == {"443/tcp", "22/tcp"}
