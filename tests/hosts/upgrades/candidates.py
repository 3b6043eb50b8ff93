"""Versions of Synapse that are broken, each in its own way: the newest one with text appended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.lab.synapse_deb import package

from .packages import field, repack

PYTHON = {"12": "python3.11", "13": "python3.13"}
UPSTREAM = "matrix-synapse-py3"


@dataclass(frozen=True)
class Candidate:
    """A broken version.

    changes: text to append to modules of Synapse. says: what the reason has to name.
    memory: the limit of its address space, for those that would take all there is.
    sound_for: seconds after it is ready in which nothing is wrong with it.
    """

    name: str
    changes: Mapping[str, str]
    says: str
    memory: str = ""
    sound_for: int = 0

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


SOUND = Candidate("sound", {"app/_base.py": "\n# as good as the one before\n"}, says="")
ANSWERS_500 = Candidate(
    "answers 500",
    {
        "http/server.py": """
async def _broken(self, request):
    raise RuntimeError("broken candidate")

JsonResource._async_render = _broken
"""
    },
    says="answers 500",
)
ANSWERS_429 = Candidate(
    "answers 429",
    {
        "http/server.py": """
from synapse.api.errors import LimitExceededError

async def _limit(self, request):
    raise LimitExceededError("broken candidate", retry_after_ms=1000)

JsonResource._async_render = _limit
"""
    },
    says="answers 429",
)
LIMITS_FOR_EVER = Candidate(
    "limits for ever",
    {
        "api/ratelimiting.py": """
async def _limit(self, requester, *args, **kwargs):
    raise LimitExceededError("broken candidate", retry_after_ms=1000)

Ratelimiter.ratelimit = _limit
"""
    },
    says="has answered 429",
    sound_for=600,
)
DOES_NOT_START = Candidate(
    "does not start",
    {"app/_base.py": "\nraise RuntimeError('broken candidate')\n"},
    says="broken candidate",
)
# Like Synapse's own schema check, it comes after the configuration is read and before it listens.
HANGS = Candidate(
    "hangs before it is ready",
    {
        "storage/prepare_database.py": """
def prepare_database(*args, **kwargs):
    import time
    time.sleep(100000)
"""
    },
    says="does nothing in the database",
)
NEVER_SAYS_READY = Candidate(
    "never says that it is ready",
    {"app/_base.py": "\ndef sdnotify(state):\n    pass\n"},
    says="though it answers",
)
CRASHES_AFTER_A_MINUTE = Candidate(
    "crashes after a minute",
    {
        "app/_base.py": """
_notify = sdnotify

def sdnotify(state):
    import os, threading
    _notify(state)
    if state.startswith(b"READY=1"):
        threading.Timer(60, os._exit, (3,)).start()
"""
    },
    says="was ready, and then crashed",
    sound_for=60,
)
REJECTS_THE_CONFIGURATION = Candidate(
    "rejects the configuration",
    {
        "config/server.py": """
def _refuse(self, config, **kwargs):
    raise ConfigError("this option was removed", ("public_baseurl",))

ServerConfig.read_config = _refuse
"""
    },
    says="this option was removed",
)
EATS_ALL_MEMORY = Candidate(
    "eats all memory",
    {
        "app/_base.py": """
_notify = sdnotify

def _eat():
    import os, resource, signal, time
    eaten = []
    try:
        assert resource.getrlimit(resource.RLIMIT_AS)[0] < 4_000_000_000
        while True:
            eaten.append(bytearray(20_000_000))
            time.sleep(0.2)
    finally:
        # The kernel would; but in the lab no memory of a single machine can be limited.
        os.kill(os.getpid(), signal.SIGKILL)

def sdnotify(state):
    import threading
    _notify(state)
    if state.startswith(b"READY=1"):
        threading.Thread(target=_eat, daemon=True).start()
"""
    },
    says="killed",
    memory="2G",
)
CHANGES_THE_DATABASE = Candidate(
    "changes the database for good and answers 500",
    {
        **ANSWERS_500.changes,
        "storage/schema/__init__.py": "\nSCHEMA_VERSION = 1000\nSCHEMA_COMPAT_VERSION = 1000\n",
    },
    says="it demands schema 1000",
)
# Until a file is there.
CHANGES_THE_DATABASE_AND_RECOVERS = Candidate(
    "changes the database for good and recovers",
    {
        **CHANGES_THE_DATABASE.changes,
        "http/server.py": """
_sound = JsonResource._async_render

async def _broken(self, request):
    import os.path
    if os.path.exists("/etc/matrix-synapse/recovered"):
        return await _sound(self, request)
    raise RuntimeError("broken candidate")

JsonResource._async_render = _broken
""",
    },
    says=CHANGES_THE_DATABASE.says,
)
BROKEN = (
    ANSWERS_500,
    ANSWERS_429,
    DOES_NOT_START,
    HANGS,
    NEVER_SAYS_READY,
    CRASHES_AFTER_A_MINUTE,
    REJECTS_THE_CONFIGURATION,
    EATS_ALL_MEMORY,
)


def slow_migration(seconds: int) -> Candidate:
    """A sound version whose migration takes a while, in the database as real ones do: once, and in
    many statements, of which Synapse lets none take ten minutes. seconds: a multiple of 30."""
    return Candidate(
        f"migrates for {seconds} s",
        {
            "storage/prepare_database.py": f"""
_upgrade = _upgrade_existing_database

def _upgrade_existing_database(cur, *args, **kwargs):
    cur.execute("SELECT to_regclass('migrated_for_{seconds}_s') IS NULL")
    if cur.fetchone()[0]:
        for _ in range({seconds // 30}):
            cur.execute("SELECT pg_sleep(30)")
        cur.execute("CREATE TABLE migrated_for_{seconds}_s ()")
    _upgrade(cur, *args, **kwargs)
"""
        },
        says="",
    )


def build(candidate: Candidate, debian: str, number: int, directory: Path) -> Path:
    """The candidate as the number-th version after the newest."""
    source = package(debian)
    place = f"/opt/venvs/matrix-synapse/lib/{PYTHON[debian]}/site-packages/synapse"
    changes = {f"{place}/{name}": text for name, text in candidate.changes.items()}
    directory.mkdir(parents=True, exist_ok=True)
    return repack(source, directory, f"{field(source, 'Version')}+b{number}", changes)
