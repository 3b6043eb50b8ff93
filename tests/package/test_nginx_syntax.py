"""What is said of nginx's syntax (tests/unit/nginx/test_syntax.py), asked of nginx itself."""

import json

from tests.package.chroots import Chroot
from tests.package.nginx_words import WORDS

CONFIG = """
pid /run/odd.pid;
error_log stderr;
events { }
http { server { listen unix:/run/odd.sock; LOCATIONS } }
"""
ASK = """
import http.client, json, socket
answers = []
for number in range(COUNT):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/odd.sock")
    connection.request("GET", f"/{number}")
    answers.append(connection.getresponse().read().decode())
print(json.dumps(answers))
"""


def test_nginx_reads_odd_words_as_we_do(before: Chroot) -> None:
    locations = "\n".join(
        f"location = /{number} {{ return 200 {written}; }}"
        for number, (written, _) in enumerate(WORDS)
    )
    answers = before.run(
        f"cat > /root/odd.conf <<'END'\n{CONFIG.replace('LOCATIONS', locations)}\nEND\n"
        f"cat > /root/ask.py <<'END'\n{ASK.replace('COUNT', str(len(WORDS)))}\nEND\n"
        "nginx -c /root/odd.conf\npython3 /root/ask.py\nnginx -c /root/odd.conf -s quit\n"
    )
    assert json.loads(answers.splitlines()[0]) == [meant for _, meant in WORDS]
