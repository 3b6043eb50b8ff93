"""matrix-js-sdk in Node: the library under Element, as a second opinion on the server."""

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.clients.accounts import Account

SOURCES = Path(__file__).with_name("javascript")
INSTALL_TIMEOUT = 180
RUN_TIMEOUT = 120


@dataclass(frozen=True)
class Outcome:
    """What the JavaScript client did."""

    user_id: str
    sent: str  # the event ID of what it said
    heard: str  # the event ID of what it heard
    heard_encrypted: bool


def install(folder: Path) -> Path:
    """Install the pinned packages and the client under ``folder``; quick when they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (SOURCES / "package-lock.json").read_bytes()
    installed = folder / "installed-lock.json"
    for name in ("package.json", "package-lock.json", "chat.mjs"):
        shutil.copyfile(SOURCES / name, folder / name)
    if not installed.exists() or installed.read_bytes() != lock:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        result = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
        assert result.returncode == 0, f"{' '.join(command)} failed:\n{result.stderr}"
        installed.write_bytes(lock)
    return folder / "chat.mjs"


async def chat(
    program: Path, account: Account, room: str, *, say: str, expect: str, encrypted: bool
) -> Outcome:
    """Log in, sync, join ``room``, send ``say`` and wait until ``expect`` was heard there."""
    task = {
        "base_url": account.homeserver.base_url,
        "address": account.homeserver.address,
        "localpart": account.localpart,
        "password": account.password,
        "room": room,
        "say": say,
        "expect": expect,
        "encrypted": encrypted,
    }
    process = await asyncio.create_subprocess_exec(
        "node",
        program.name,
        cwd=program.parent,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(account.homeserver.ca_file)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(
            process.communicate(json.dumps(task).encode()), RUN_TIMEOUT
        )
    except TimeoutError:
        process.kill()
        _, errors = await process.communicate()
        raise AssertionError(f"the JavaScript client hung: {errors.decode()}") from None
    assert process.returncode == 0, f"the JavaScript client failed: {errors.decode()}"
    return Outcome(**json.loads(output))
