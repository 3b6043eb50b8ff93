"""Somebody who writes, stays logged in, and reads later what is left of it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.clients.accounts import Account
from tests.hosts.deployments import Deployment
from tests.hosts.people import homeserver_of, new_account

API = "/_matrix/client/v3"
KEY = "/_matrix/key/v2/server"
UPLOAD = b"an upload"


@dataclass(frozen=True)
class Writer:
    """Somebody who is logged in, with a room and an upload."""

    account: Account
    token: str
    room: str
    media: str

    def at(self, deployment: Deployment) -> "Writer":
        """The same person, who finds the server at another host."""
        account = Account(homeserver_of(deployment), self.account.localpart, self.account.password)
        return Writer(account, self.token, self.room, self.media)

    def send(self, text: str) -> str:
        """The event's ID."""
        place = f"{API}/rooms/{self.room}/send/m.room.message/{abs(hash(text))}"
        body = {"msgtype": "m.text", "body": text}
        answer = self.account.homeserver.request("PUT", place, token=self.token, body=body)
        return str(answer.expect(200).json["event_id"])

    def reads(self) -> list[str]:
        """The room's messages, the oldest first."""
        answer = self.account.homeserver.request(
            "GET", f"{API}/rooms/{self.room}/messages?dir=b&limit=50", token=self.token
        )
        events = answer.expect(200).json["chunk"]
        return [e["content"]["body"] for e in reversed(events) if e["type"] == "m.room.message"]

    def downloads(self) -> bytes:
        uri = urlsplit(self.media)
        place = f"/_matrix/client/v1/media/download/{uri.netloc}{uri.path}"
        return self.account.homeserver.request("GET", place, token=self.token).expect(200).body

    def keys(self) -> dict[str, dict[str, str]]:
        """The server's signing keys by name."""
        answer = self.account.homeserver.request("GET", KEY).expect(200).json
        found: dict[str, dict[str, str]] = answer["verify_keys"]
        return found


def writer(deployment: Deployment, name: str = "writer") -> Writer:
    """A new one."""
    account = new_account(deployment, name)
    server, token = account.homeserver, account.login()
    made = server.request("POST", f"{API}/createRoom", token=token, body={}).expect(200)
    sent = server.request(
        "POST", "/_matrix/media/v3/upload?filename=a.txt", token=token, body=UPLOAD,
        headers={"Content-Type": "text/plain"},
    )  # fmt: skip
    return Writer(account, token, made.json["room_id"], sent.expect(200).json["content_uri"])
