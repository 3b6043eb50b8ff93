"""Hosts on which a change must be refused, each with what the refusal says."""

from dataclasses import dataclass, replace

from tests.hosts.deployments import Deployment

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
NGINX_D = "/etc/altpeter-matrix/nginx.d"
SYNAPSE_D = "/etc/altpeter-matrix/synapse.d"
PSQL = "runuser -u postgres -- psql -q"
CODENAMES = {"12": "bookworm", "13": "trixie"}
LISTEN = (
    "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
    " s.bind(('127.0.0.1', {port})); s.listen(); __import__('time').sleep(600)"
)


@dataclass(frozen=True)
class BadHost:
    """A host on which a change must be refused. Shell commands make it so, and undo it."""

    name: str
    spoil: str
    repair: str
    where: str  # file and key as the refusal names them
    remedy: str  # a part of it
    settings: str = ""  # lines to append to settings.yaml
    user: str = "root"

    def on(self, server: Deployment) -> "BadHost":
        """The same on a server of another name and release than alpha."""
        name, codename = server.settings["server_name"], CODENAMES[server.host.debian]
        return replace(
            self,
            spoil=self.spoil.replace("bookworm", codename),
            remedy=self.remedy.replace("alpha.test", name),
        )


def broken_settings(text: str, where: str, remedy: str, name: str) -> BadHost:
    """settings.yaml with exactly this text; undone like every change of it."""
    return BadHost(name, f"printf %b '{text}' > {SETTINGS}", "true", where, remedy)


def addition(path: str, text: str, where: str, remedy: str, name: str) -> BadHost:
    """A local addition of an administrator."""
    return BadHost(name, f"cat > {path} <<'END'\n{text}\nEND", f"rm {path}", where, remedy)


def listener(port: int, key: str, name: str) -> BadHost:
    """A port that another program has."""
    return BadHost(
        name,
        f'systemd-run -q --unit=foreign python3 -c "{LISTEN.format(port=port)}"; '
        f"until ss -Hltn 'sport = :{port}' | grep -q .; do sleep 0.1; done",
        "systemctl stop foreign",
        f"settings.yaml: {key}",
        "choose another port",
        settings=f"{key.partition('.')[0]}: {{port: {port}}}\n",
    )


BAD_HOSTS = (
    # The settings file itself.
    broken_settings("server_name: alpha.test\\n  uploads: x\\n", "settings.yaml: line 2",
                    "check the indentation", "no YAML"),
    broken_settings("server_name: a.test\\nserver_name: b.test\\n", "settings.yaml: line 2",
                    "remove one of them", "key twice"),
    broken_settings("- server_name\\n", "settings.yaml: ", "write `server_name", "list"),
    broken_settings("", "settings.yaml: server_name", "add `server_name:", "empty file"),
    broken_settings("server_name: \\0377\\0376\\n", SETTINGS, "save it as UTF-8",
                    "not UTF-8"),
    BadHost("no settings file", f"rm {SETTINGS}", "true", SETTINGS, "altpeter-matrix init"),
    BadHost("directory for a file", f"rm {SETTINGS}; mkdir {SETTINGS}", f"rmdir {SETTINGS}",
            SETTINGS, "make it a readable file"),
    # A live server stays who it is, on the database that it has.
    BadHost("changed server name",
            f"sed -i 's/^server_name: .*/server_name: other.test/' {SETTINGS}", "true",
            "settings.yaml: server_name", "write `server_name: alpha.test`"),
    BadHost("empty database", "true", "true", "settings.yaml: database.name",
            "write `database: {name: synapse}`", settings="database: {name: another}\n"),
    BadHost("wrong collation",
            f"{PSQL} -c \"create database latin encoding 'UTF8' lc_collate 'C.UTF-8'"
            " lc_ctype 'C.UTF-8' template template0 owner \\\"matrix-synapse\\\"\"",
            f"{PSQL} -c 'drop database latin'",
            "PostgreSQL database latin", "set another database.name",
            settings="database: {name: latin}\n"),
    BadHost("wrong encoding",
            f"{PSQL} -c \"create database sql_ascii encoding 'SQL_ASCII' lc_collate 'C'"
            " lc_ctype 'C' template template0 owner \\\"matrix-synapse\\\"\"",
            f"{PSQL} -c 'drop database sql_ascii'",
            "PostgreSQL database sql_ascii", "set another database.name",
            settings="database: {name: sql_ascii}\n"),
    # What else is on the host.
    listener(8118, "listener.port", "port taken"),
    listener(9119, "metrics.port", "metrics port taken"),
    BadHost("unsupported release",
            "cp -a --remove-destination /usr/lib/os-release /root/os-release;"
            " sed -i 's/^VERSION_ID=.*/VERSION_ID=\"10\"/; s/bookworm/buster/' /usr/lib/os-release",
            "cp /root/os-release /usr/lib/os-release; rm /root/os-release",
            "/etc/os-release", "use Debian 12", settings="log_level: WARNING\n"),
    BadHost("not root", "true", "true", "altpeter-matrix", "sudo",
            settings="log_level: WARNING\n", user="debian"),
    BadHost("full disk",
            "cp -a /var/lib/altpeter-matrix /root/state; "
            "mount -t tmpfs -o mode=0755,size=$(($(du -sm /root/state | cut -f1) + 4))m tmpfs"
            " /var/lib/altpeter-matrix; "
            "cp -a /root/state/. /var/lib/altpeter-matrix/; "
            "dd if=/dev/zero of=/var/lib/altpeter-matrix/fill bs=64k 2>/dev/null || true",
            "umount /var/lib/altpeter-matrix; rm -r /root/state",
            "/var/lib/altpeter-matrix", "free some space", settings="log_level: WARNING\n"),
    BadHost("another site of nginx is broken",
            "echo 'server { listen 81; nonsense; }' > /etc/nginx/sites-enabled/theirs",
            "rm /etc/nginx/sites-enabled/theirs",
            "nginx", "nginx -t", settings="log_level: WARNING\n"),
    BadHost("the mail password is missing", "true", "true", "/root/no-such-file", "password",
            settings="email: {smtp_host: mail.lab.test, from: a@alpha.test, username: a,"
            " password_file: /root/no-such-file}\n"),
    # Local additions.
    addition(f"{NGINX_D}/local.conf", "location /x { return 200 }", f"{NGINX_D}/local.conf",
             "correct", "nginx addition without semicolon"),
    addition(f"{NGINX_D}/local.conf", "server { listen 82; }", f"{NGINX_D}/local.conf",
             "correct", "server block in an nginx addition"),
    addition(f"{NGINX_D}/local.conf", "location /_matrix/ { return 200; }\n"
             "location /_matrix/ { return 404; }", f"{NGINX_D}/local.conf",
             "correct", "location twice"),
    addition(f"{SYNAPSE_D}/local.yaml", "media_retention: [\n", f"{SYNAPSE_D}/local.yaml",
             "line", "Synapse addition that is no YAML"),
    addition(f"{SYNAPSE_D}/local.yaml", "- presence\n", f"{SYNAPSE_D}/local.yaml",
             "write", "Synapse addition that is a list"),
    addition(f"{SYNAPSE_D}/local.yaml", "server_name: other.test", f"{SYNAPSE_D}/local.yaml",
             "at the top of the settings", "server name in an addition"),
    addition(f"{SYNAPSE_D}/local.yaml", "url_preview_url_blacklist: 5\nmax_upload_size: many\n",
             "Synapse", "synapse.d", "option that Synapse refuses"),
    addition(f"{SYNAPSE_D}/local.yaml", "email:\n  enable_notifs: true\n",
             f"{SYNAPSE_D}/local.yaml: email", "add notif_from", "mail that would crash Synapse"),
    addition(f"{SYNAPSE_D}/local.yaml", "listeners:\n- {port: 8008, type: http, tls: false}\n",
             f"{SYNAPSE_D}/local.yaml: listeners", "bind_addresses", "listener for the world"),
)  # fmt: skip
