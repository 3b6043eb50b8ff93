"""An end-to-end encrypting client, matrix-nio, driven step by step."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import nio

from tests.clients.accounts import Account

PATIENCE = 60.0
SYNC_MILLISECONDS = 3000

Response = TypeVar("Response", bound=nio.Response)


def accept(response: nio.Response | nio.ErrorResponse, kind: type[Response]) -> Response:
    """The response when it is of the wanted kind; the server's error otherwise."""
    if not isinstance(response, kind):
        transport = response.transport_response
        answered = f" ({transport.status} {dict(transport.headers)})" if transport else ""
        raise AssertionError(f"expected {kind.__name__}, got {response}{answered}")
    return response


class Chat:
    """A logged-in device with a key store of its own. Use as ``async with Chat(account, dir)``."""

    def __init__(self, account: Account, store: Path) -> None:
        self.account = account
        self.received: list[nio.RoomMessageText] = []
        self.undecrypted: list[nio.MegolmEvent] = []
        store.mkdir(parents=True, exist_ok=True)
        self._client = nio.AsyncClient(
            account.homeserver.base_url,
            account.user_id,
            store_path=str(store),
            config=nio.AsyncClientConfig(
                encryption_enabled=True, store_sync_tokens=True, max_timeouts=2
            ),
            ssl=account.homeserver.tls(),
        )
        self._client.add_event_callback(self._on_text, nio.RoomMessageText)
        self._client.add_event_callback(self._on_undecrypted, nio.MegolmEvent)

    async def __aenter__(self) -> Self:
        homeserver = self.account.homeserver
        # nio has no option for a resolver, but it uses a session that is already there.
        self._client.client_session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=homeserver.resolver()),
            timeout=aiohttp.ClientTimeout(total=120),
        )
        accept(await self._client.login(self.account.password), nio.LoginResponse)
        await self.sync()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def _on_text(self, room: nio.MatrixRoom, event: nio.RoomMessageText) -> None:
        if event.sender != self.account.user_id:
            self.received.append(event)

    async def _on_undecrypted(self, room: nio.MatrixRoom, event: nio.MegolmEvent) -> None:
        self.undecrypted.append(event)

    @property
    def rooms(self) -> dict[str, nio.MatrixRoom]:
        """The rooms this device knows itself to be in."""
        rooms: dict[str, nio.MatrixRoom] = self._client.rooms
        return rooms

    @property
    def token(self) -> str:
        return str(self._client.access_token)

    async def sync(self, milliseconds: int = 0) -> None:
        """One sync, and the key management that a client does after each."""
        client = self._client
        accept(await client.sync(timeout=milliseconds), nio.SyncResponse)
        await client.send_to_device_messages()
        if client.should_upload_keys:
            accept(await client.keys_upload(), nio.KeysUploadResponse)
        if client.should_query_keys:
            accept(await client.keys_query(), nio.KeysQueryResponse)
        if client.should_claim_keys:
            wanted = client.get_users_for_key_claiming()
            accept(await client.keys_claim(wanted), nio.KeysClaimResponse)

    async def sync_until(self, happened: Callable[[], bool], what: str) -> None:
        """Sync until ``happened``; an AssertionError names what did not."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not happened():
            assert asyncio.get_running_loop().time() < deadline, (
                f"{self.account.user_id}: no {what} in {PATIENCE:.0f} s"
                f" (received {self.received}, not decrypted {self.undecrypted})"
            )
            await self.sync(SYNC_MILLISECONDS)

    async def create_encrypted_room(self, *, alias: str | None = None, public: bool = False) -> str:
        """A new room with encryption on from its first event; returns its ID."""
        encryption = nio.EnableEncryptionBuilder().as_dict()
        response = await self._client.room_create(
            alias=alias,
            preset=nio.RoomPreset.public_chat if public else nio.RoomPreset.private_chat,
            initial_state=[encryption],
        )
        room = str(accept(response, nio.RoomCreateResponse).room_id)
        await self.sync_until(lambda: room in self.rooms, f"room {room}")
        return room

    async def invite(self, room: str, user_id: str) -> None:
        accept(await self._client.room_invite(room, user_id), nio.RoomInviteResponse)

    async def accept_invitation(self, room: str) -> None:
        await self.sync_until(lambda: room in self._client.invited_rooms, f"invitation to {room}")
        await self.join(room)

    async def join(self, room: str, *, via: str | None = None) -> str:
        """Join by room ID or alias, and know the room afterwards. Returns the room's ID."""
        if via is None:
            joined = str(accept(await self._client.join(room), nio.JoinResponse).room_id)
        else:
            joined = await asyncio.to_thread(self._join_via, room, via)
        await self.sync_until(lambda: joined in self.rooms, f"room {room}")
        return joined

    def _join_via(self, room: str, via: str) -> str:
        """nio cannot name a server to join through, which a room ID without a domain needs."""
        answer = self.account.homeserver.request(
            "POST",
            f"/_matrix/client/v3/join/{room}?via={via}&server_name={via}",
            token=self.token,
            body={},
        )
        return str(answer.expect(200).json["room_id"])

    async def knows_member(self, room: str, user_id: str) -> None:
        """Wait until this device sees ``user_id`` in the room, so that it gets the keys."""
        await self.sync_until(
            lambda: user_id in self.rooms[room].users and not self._client.should_query_keys,
            f"{user_id} in {room}",
        )

    async def send(self, room: str, text: str) -> str:
        """Send a text, encrypted because the room is; returns the event's ID."""
        assert self.rooms[room].encrypted, f"{room} is not encrypted"
        response = await self._client.room_send(
            room,
            "m.room.message",
            {"msgtype": "m.text", "body": text},
            ignore_unverified_devices=True,
        )
        return str(accept(response, nio.RoomSendResponse).event_id)

    async def receive(self, event_id: str) -> nio.RoomMessageText:
        """Wait for one event of another user, decrypted."""
        await self.sync_until(
            lambda: any(event.event_id == event_id for event in self.received),
            f"event {event_id}",
        )
        return next(event for event in self.received if event.event_id == event_id)

    async def history(self, room: str) -> list[str]:
        """The texts of a room as the server has them now, decrypted by this device."""
        answer = await self._client.room_messages(room, limit=50)
        events = accept(answer, nio.RoomMessagesResponse).chunk
        return [event.body for event in events if isinstance(event, nio.RoomMessageText)]

    async def as_stored(self, room: str, event_id: str) -> dict[str, Any]:
        """The event as the server has it: what went over the wire."""
        answer = await asyncio.to_thread(
            self.account.homeserver.request,
            "GET",
            f"/_matrix/client/v3/rooms/{room}/event/{event_id}",
            token=self.token,
        )
        event: dict[str, Any] = answer.expect(200).json
        return event


async def join_by_invitation(host: Chat, guest: Chat) -> str:
    """A new encrypted room with both of them: its ID."""
    room = await host.create_encrypted_room()
    await host.invite(room, guest.account.user_id)
    await guest.accept_invitation(room)
    return room


async def say_and_hear(speaker: Chat, listener: Chat, room: str, text: str) -> None:
    """One encrypted message from one device to another, checked on the way and at the end."""
    await speaker.knows_member(room, listener.account.user_id)
    event_id = await speaker.send(room, text)
    heard = await listener.receive(event_id)
    assert heard.body == text
    assert heard.decrypted, "the message came in clear"
    assert heard.sender == speaker.account.user_id
    for side in (speaker, listener):
        stored = await side.as_stored(room, event_id)
        assert stored["type"] == "m.room.encrypted", stored
        assert stored["content"]["algorithm"] == "m.megolm.v1.aes-sha2", stored
        assert text not in str(stored), "the server can read the message"
