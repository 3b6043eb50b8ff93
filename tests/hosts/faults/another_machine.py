"""What another machine would do to a host, made on the host itself."""

_SETTINGS = "/etc/altpeter-matrix/settings.yaml"
# In a maker: the name that DNS and the certificate have, and the addresses of this host.
HOST = (
    "name=$(python3 -c \"import yaml; found = yaml.safe_load(open('" + _SETTINGS + "'));"
    " print(found.get('public_name', found['server_name']))\");"
    " address() { ip -json -$1 address show scope global up | python3 -c"
    " \"import json, sys; print(*[one['local'] for link in json.load(sys.stdin)"
    " for one in link.get('addr_info', [])][:1])\"; };"
    " own4=$(address 4); own6=$(address 6);"
)

# Says something else of some names, as NAME=ADDRESS or NAME= for nothing, and passes on the rest.
_RESOLVER = """\
import socket, sys
import dns.flags, dns.message, dns.query, dns.rdatatype, dns.rrset

upstream, *records = sys.argv[1:]
known = {}
for record in records:
    name, _, address = record.partition("=")
    known.setdefault(f"{name}.", []).extend([address] if address else [])
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("127.0.0.1", 53))
while True:
    data, who = here.recvfrom(4096)
    asked = dns.message.from_wire(data)
    question = asked.question[0]
    if str(question.name).lower() in known:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        for address in known[str(question.name).lower()]:
            kind = "AAAA" if ":" in address else "A"
            if dns.rdatatype.to_text(question.rdtype) == kind:
                answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, address))
    else:
        answer = dns.query.udp(asked, upstream, timeout=2)
    here.sendto(answer.to_wire(), who)
"""

# Stands in front of nginx, as a router or a proxy of somebody else's may.
_PROXY = """\
pid /run/lab-proxy.pid;
error_log /dev/null;
events {}
http {
    access_log off;
    server {
        listen 9443 ssl;
        listen [::]:9443 ssl;
        ssl_certificate /etc/letsencrypt/live/$lineage/fullchain.pem;
        ssl_certificate_key /etc/letsencrypt/live/$lineage/privkey.pem;
        $location
        location / {
            proxy_pass https://127.0.0.1;
            proxy_set_header Host \\$host;
            proxy_ssl_server_name on;
            proxy_ssl_name \\$host;
        }
    }
}
"""


def resolver_says(*records: str) -> str:
    """Shell that has this host's resolver say something else of names; $name, $own4, $own6 and
    $other4, $other6, of a machine that is no Matrix server, may stand in the records."""
    return (
        f"{HOST} other4=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1);"
        ' other6="${own6%:*}:2"; cp /etc/resolv.conf /root/resolv.conf;'
        f" cat >/root/resolver.py <<'END'\n{_RESOLVER}END\n"
        "systemd-run --quiet --unit=lab-resolver python3 /root/resolver.py $other4"
        f" {' '.join(records)}; echo nameserver 127.0.0.1 >/etc/resolv.conf;"
        " for _ in $(seq 50); do getent -s dns ahosts packages.lab.test >/dev/null && break;"
        " sleep 0.1; done"
    )


RESOLVER_BACK = (
    "cp /root/resolv.conf /etc/resolv.conf; systemctl stop lab-resolver 2>/dev/null || :"
)


def proxy_answers(location: str) -> str:
    """Shell that puts a proxy in front of this host's public addresses, which answers some location
    by itself."""
    redirect = "-t nat -A OUTPUT -d $own -p tcp --dport 443 -j REDIRECT --to-ports 9443"
    return (
        f"{HOST} lineage=$(ls /etc/letsencrypt/renewal | sed 's/.conf$//' | head -n 1);"
        f" location='{location}'; cat >/root/proxy.conf <<END\n{_PROXY}END\n"
        "systemd-run --quiet --unit=lab-proxy nginx -c /root/proxy.conf -g 'daemon off;';"
        f" own=$own4; iptables {redirect}; own=$own6; ip6tables {redirect}; sleep 1"
    )


PROXY_GONE = "systemctl stop lab-proxy; iptables -t nat -F OUTPUT; ip6tables -t nat -F OUTPUT"


def with_settings(change: str, before: str = "") -> str:
    """Shell that changes `settings`, in Python, and applies that."""
    return (
        f"cp -p {_SETTINGS} /root/settings.yaml; {before} python3 - <<'END'\n"
        "import pathlib, yaml\n"
        f"file = pathlib.Path('{_SETTINGS}')\n"
        "settings = yaml.safe_load(file.read_text())\n"
        f"{change}\n"
        "file.write_text(yaml.safe_dump(settings))\n"
        "END\n"
        "altpeter-matrix apply"
    )


SETTINGS_BACK = f"cp -p /root/settings.yaml {_SETTINGS}; altpeter-matrix apply"
