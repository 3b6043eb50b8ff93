"""One host on which runs are done one after the other, each begun and ended in good order."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host, Lab
from tests.hosts.lab.commands import CommandError, Result
from tests.hosts.probes import login, request, wait_until_serving
from tests.hosts.watched import looked

from .cells import Run, State, Upgrade, Way
from .outcome import Outcome
from .packages import Repository, field
from .release import unfinished
from .states import SETTINGS, SETUPS, Setup, in_order
from .stock import Stock
from .ways import RELEASE_WAYS, WAYS, Done, by_deploy

LOGIN_MESSAGE = "/var/lib/altpeter-matrix/login-message"
ADOPT = "`altpeter-matrix adopt`"
REPLACED = "/var/lib/altpeter-matrix/replaced"
PIN = "/etc/apt/preferences.d/upgrades"
OPTIONS = "/etc/apt/apt.conf.d/99upgrades"
WHO_AM_I = "/_matrix/client/v3/account/whoami"
# Asks Synapse itself, for a host without a site.
LOOPBACK = """
import sys, urllib.request
url = "http://127.0.0.1:8008/_matrix/client/v3/account/whoami"
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {sys.argv[1]}"})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
# Prints the digests of files, and of all that was set aside.
DIGESTS = f"""
import hashlib, json, pathlib, sys
paths = [*map(pathlib.Path, sys.argv[1:]), *pathlib.Path("{REPLACED}").rglob("*")]
print(json.dumps({{str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                  for path in paths if path.is_file()}}))
"""


def upgrades_ours(run: Run) -> bool:
    return run.way is Way.DEPLOY or run.upgrade in {
        Upgrade.OURS_THIS,
        Upgrade.OURS_NEXT,
        Upgrade.OURS_BACK,
        Upgrade.TOGETHER,
    }


def new_bench(fleet: Fleet, original: Deployment, stack: ExitStack) -> "Bench":
    """One on a clone, which ends with the stack."""
    server = stack.enter_context(fleet.clone(original, "upgrades", dns=True))
    directory = fleet.lab.state / f"upgrades-{original.host.name}"
    return Bench(
        fleet.lab,
        server,
        lambda: run_pyinfra(fleet.inventory(server), "-y", check=False),
        directory,
    )


def _unannounced_edits(run: Run, status: str) -> Iterator[str]:
    """`status` names each edited file of Synapse's package, and the command that ends that."""
    for name in ("homeserver.yaml", "log.yaml"):
        path = f"/etc/matrix-synapse/{name}: "
        lines = [line for line in status.splitlines() if path in line and ADOPT in line]
        if f"{name} edited" in run.states and not lines:
            yield f"status does not announce the edit of {name}: {status}"


@dataclass
class Bench:
    """A deployed server to try upgrades on."""

    lab: Lab
    server: Deployment
    deploy: Callable[[], "subprocess.CompletedProcess[str]"]
    directory: Path

    def __post_init__(self) -> None:
        self.host: Host = self.server.host
        self.repository = Repository(self.lab, self.host)
        self.stock = Stock(self.host, self.directory)
        # Hundreds of upgrades of the same files: what is tried here is not the disk.
        self.host.write("/etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\n")
        wait_until_serving(self.server)
        self.token = login(self.server)

    def perform(self, run: Run) -> Outcome:
        """Do the run. What it leaves is cleared by `reset`."""
        began = time.monotonic()
        if before := self.stock.installed_first(run.upgrade):
            self._install(before)
        elif run.upgrade in {Upgrade.OURS_NEXT, Upgrade.TOGETHER}:
            self._install(self.stock.ours("this"))
        for state in in_order(run.states):
            self.host.sh(self._script(SETUPS[state].make))
        precious = self._precious(run)
        offered = self.stock.packages(run.upgrade)
        self._offer(run, offered)
        done = self._upgrade(run)
        held = tuple(self._held(offered))
        by_state = {
            state: tuple(self._wrong(SETUPS[state], run, precious, done)) for state in run.states
        }
        general = tuple(self._wrong_with_host(run, done, held))
        announced = run.collides and bool(held)
        seconds = time.monotonic() - began
        outcome = Outcome(done.questions, held, announced, general, by_state, seconds)
        with (self.directory / "output.log").open("a") as log:
            log.write(f"===== {run}\n{done.output}\n----- {seconds:.0f} s {outcome.problems}\n")
        return outcome

    def reset(self, run: Run) -> None:
        """Undo the states and finish what was left unfinished; raises when that does not work."""
        self.host.sh(f"rm -f {PIN} {OPTIONS}; dpkg --force-confold --configure -a </dev/null")
        for state in run.states:
            self.host.sh(self._script(SETUPS[state].undo))
        self.host.run("altpeter-matrix", "apply")
        if run.collides:
            # With the packaged file back, nothing speaks against the version any more.
            self.host.run("altpeter-matrix", "upgrade", "check")
        self.host.run("altpeter-matrix", "status")
        wait_until_serving(self.server)

    def _script(self, text: str) -> str:
        return text.replace("@name", self.server.public_name)

    def _install(self, package: Path) -> None:
        (self.host.root / "root" / package.name).write_bytes(package.read_bytes())
        if self._installed(field(package, "Package")) != field(package, "Version"):
            self.host.sh(f"dpkg -i /root/{package.name} </dev/null 2>&1")
        self.host.run("rm", f"/root/{package.name}")

    def _installed(self, name: str) -> str:
        return self.host.run("dpkg-query", "-W", "-f", "${Version}", name).stdout

    def _offer(self, run: Run, offered: list[Path]) -> None:
        """Publish, and where it means going back, tell apt that this is wanted."""
        if run.upgrade is Upgrade.OURS_BACK:
            (package,) = offered
            name, version = field(package, "Package"), field(package, "Version")
            self.host.write(PIN, f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n")
            self.host.write(OPTIONS, 'Unattended-Upgrade::Allow-downgrade "true";\n')
        if run.upgrade is Upgrade.RELEASE:
            self.repository.remove()
        elif run.way is not Way.DEPLOY:
            self.repository.publish(offered)

    def _upgrade(self, run: Run) -> Done:
        if run.way is Way.DEPLOY:
            return by_deploy(self.deploy)
        if run.upgrade is Upgrade.RELEASE:
            return RELEASE_WAYS[run.way](self.host)
        return WAYS[run.way](self.host)

    def _held(self, offered: list[Path]) -> Iterator[str]:
        for package in offered:
            name, wanted = field(package, "Package"), field(package, "Version")
            if (found := self._installed(name)) != wanted:
                yield f"{name} {found} instead of {wanted}"

    def _precious(self, run: Run) -> Mapping[str, str]:
        """The digests of what must not get lost."""
        paths = [path for state in run.states for path in SETUPS[state].precious]
        found = self._digests(*paths)
        return {path: found[path] for path in paths}

    def _digests(self, *paths: str) -> dict[str, str]:
        found = self.host.run("python3", "-c", DIGESTS, *paths).stdout
        digests: dict[str, str] = json.loads(found)
        return digests

    def _wrong(
        self, setup: Setup, run: Run, precious: Mapping[str, str], done: Done
    ) -> Iterator[str]:
        """What is not as the state demands."""
        now = self._digests(*setup.precious)
        for path in setup.precious:
            if now.get(path) == precious[path]:
                continue
            aside = [p for p, d in now.items() if d == precious[path] and p.startswith(REPLACED)]
            if not aside:
                yield f"the edit of {path} is lost"
            elif run.way is not Way.DEPLOY and not self._told(Path(aside[-1]).parent, done):
                yield f"nobody was told that {path} is kept in {aside[-1]}"
        for path in setup.absent:
            if self.host.run("test", "-L", path, check=False).returncode == 0:
                yield f"{path} is there again"
        if setup.answers and (status := request(self.server, setup.answers).status) != 200:
            yield f"{setup.answers} answers {status}"
        if setup.refused and run.way is not Way.DEPLOY:
            shown = self.host.run("altpeter-matrix", "status", check=False)
            if shown.returncode == 0 or setup.refused not in shown.stdout:
                yield f"status does not name {setup.refused}: {shown.stdout}"

    def _status(self) -> str:
        return self.host.run("altpeter-matrix", "status", check=False).stdout

    def _told(self, directory: Path, done: Done) -> bool:
        shown = self.host.sh("cat /var/log/apt/term.log").stdout
        return str(directory) in f"{done.output}{shown}"

    def _wrong_with_host(self, run: Run, done: Done, held: tuple[str, ...]) -> Iterator[str]:
        refused = any(SETUPS[state].refused for state in run.states)
        if State.SETTINGS_MISSING in run.states and not upgrades_ours(run):
            # Only our package brings them back; until then everything goes on as it was.
            refused = True
            if f"{SETTINGS}: is missing" not in self._status():
                yield "status does not say that the settings are missing"
        status = self.host.run("altpeter-matrix", "status", check=False)
        yield from _unannounced_edits(run, status.stdout)
        audit = self.host.run("dpkg", "--audit").stdout
        if audit:
            yield f"dpkg --audit: {audit}"
        if done.questions:
            yield f"{done.questions} questions: {done.output[-1500:]}"
        if not done.ok and not (run.way is Way.DEPLOY and refused):
            yield f"failed: {done.output[-1500:]}"
        if run.collides:
            yield from self._not_loud(held, status)
        else:
            if held:
                yield f"held back: {', '.join(held)}: {done.output[-1500:]}"
            if not refused and status.returncode != 0:
                yield f"status: {status.stdout}"
        if run.upgrade is Upgrade.RELEASE:
            yield from unfinished(self.host)
        yield from self._service_problems(run)

    def _not_loud(self, held: tuple[str, ...], status: Result) -> Iterator[str]:
        """An edit that was not adopted holds Synapse back, nothing else, and everybody is told."""
        if len(held) != 1 or "synapse" not in held[0]:
            yield f"held back: {', '.join(held) or 'nothing'}"
        told = [line for line in status.stdout.splitlines() if "is held back" in line]
        if status.returncode == 0 or not any(ADOPT in line for line in told):
            yield f"status does not say what is held back and how that ends: {status.stdout}"
        looked(self.host)
        if ADOPT not in self.host.read(LOGIN_MESSAGE):
            yield "who logs in is not told what is held back and how that ends"

    def _who_am_i(self) -> str:
        """Synapse answers 500 once for each connection that a restart of PostgreSQL has cut."""
        end = time.monotonic() + 20
        while True:
            answer = request(self.server, WHO_AM_I, token=self.token)
            if answer.status < 500 or time.monotonic() > end:
                return answer.body.decode()
            time.sleep(0.3)

    def _service_problems(self, run: Run) -> Iterator[str]:
        """Whether a client that was logged in before still is."""
        user = self.server.administrator
        try:
            if State.SITE_DISABLED in run.states:
                answer = self.host.run("python3", "-c", LOOPBACK, self.token).stdout
            else:
                wait_until_serving(self.server)
                answer = self._who_am_i()
            if user not in answer:
                yield f"logged out: {answer}"
        except (AssertionError, CommandError, OSError) as error:
            yield f"does not serve: {error}"
