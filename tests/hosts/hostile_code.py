"""What a hostile Synapse does as soon as it is imported."""

REACHES = """
import ctypes, glob, os, socket

def write(path):
    with open(path, "w") as file:
        file.write("x")

def tcp(address, port):
    socket.create_connection((address, port), timeout=2).close()

def unix(path):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(path)

def signal_others():
    reached = []
    for pid in range(1, 70000):
        if pid not in (os.getpid(), os.getppid()):
            try:
                os.kill(pid, 0)
                reached.append(pid)
            except OSError:
                pass
    assert reached, "none"

def see_others():
    pids = [one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()]
    assert any(open(f"/proc/{one}/cmdline").read() for one in pids), "none"

def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in range(1, 5000):
        if pid != os.getpid() and libc.ptrace(16, pid, 0, 0) == 0:  # PTRACE_ATTACH
            return
    raise OSError("no process can be traced")

def call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), name)

def list_filled(path):
    assert os.listdir(path), "empty"

here = os.path.dirname(os.path.abspath(__file__))
attacks = {
    "write " + path: (lambda path=path: write(path + "/breach"))
    for path in ("/var/lib/matrix-synapse", "/etc", "/etc/matrix-synapse", "/tmp", "/var/tmp",
                 "/dev/shm", "/run", "/var/lib/altpeter-matrix", "/root", "/home", "/", here)
}
attacks |= {
    "read " + path: (lambda path=path: open(path, "rb").read())
    for path in ("/etc/matrix-synapse/homeserver.signing.key", "/etc/shadow", "/etc/passwd",
                 "/etc/altpeter-matrix/secrets/macaroon_secret_key",
                 "/etc/matrix-synapse/homeserver.yaml", "/proc/1/environ",
                 "/etc/altpeter-matrix/settings.yaml")
}
attacks |= {
    "list " + path: (lambda path=path: list_filled(path))
    for path in ("/var/lib/matrix-synapse", "/etc/matrix-synapse", "/home", "/var/lib/postgresql")
}
attacks |= {
    "ask Synapse": lambda: tcp("127.0.0.1", 8008),
    "ask nginx": lambda: tcp("127.0.0.1", 443),
    "ask the network": lambda: tcp("NAMESERVER", 53),
    "reach the database": lambda: unix("/run/postgresql/.s.PGSQL.5432"),
    "reach the database by its other name": lambda: unix("/var/run/postgresql/.s.PGSQL.5432"),
    "reach systemd": lambda: unix("/run/systemd/private"),
    "reach D-Bus": lambda: unix("/run/dbus/system_bus_socket"),
    "write to the journal": lambda: unix("/run/systemd/journal/stdout"),
    "signal others": signal_others,
    "see others": see_others,
    "trace others": trace,
    "become root": lambda: call("setuid", 0),
    "leave for other namespaces": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "type on the administrator's terminal": lambda: open("/dev/tty", "w").close(),
    "make a device": lambda: os.mknod("/tmp/sda", 0o60666, os.makedev(8, 0)),
}
managed = []
for name, attack in attacks.items():
    try:
        attack()
        managed.append(name)
    except (OSError, AssertionError):
        pass
raise RuntimeError("managed: " + (", ".join(managed) or "nothing") + ".")
"""
# Each leaves a daemon that does not end when it is asked to.
FORKS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
forked = 0
try:
    while forked < 1000:
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
            os._exit(0)
        forked += 1
except OSError:
    pass
raise RuntimeError(f"forked {forked} times.")
"""
EATS = """
eaten = []
try:
    while len(eaten) < 8000:
        eaten.append(bytes(10_000_000))  # zeros that are never touched: only asked for
except MemoryError:
    taken = len(eaten)
    del eaten
    raise RuntimeError(f"got {taken} pieces of 10 MB.")
raise RuntimeError("got 80 GB.")
"""
PRINTS = """
import os
try:
    for _ in range(1000):
        os.write(2, b"x" * 1_000_000)
except OSError:
    pass
"""
LIES = """
import json, os
print(json.dumps({"python": "3\\x1b]0;owned\\x07", "schema": {}, "compat": "x", "deep": 1,
                  "dependencies_error": "\\x1b[2J\\r\\n" * 3 + "y" * 10_000}), flush=True)
os._exit(0)
"""
PARSES = """
import os, sys
paths = ["KEY", "SECRETS/macaroon_secret_key", "SECRETS/registration_shared_secret"]
said = [open(path).read().strip() for path in paths]
sys.stderr.write("read: " + " ".join(said) + "\\n")
sys.exit(1)
"""
