"""Write docs/settings.md from files/settings.schema.json; with --check only compare."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
SCHEMA = TOP / "files" / "settings.schema.json"
PAGE = TOP / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

<!-- Written by `make docs` from files/settings.schema.json; edit that file instead. -->

`/etc/altpeter-matrix/settings.yaml` is the one file to edit on a host; `altpeter-matrix apply`
puts it into effect, `altpeter-matrix check` only checks it. The deploy takes the same keys from
`matrix` in `group_data/` and writes the file. Only `server_name` is needed:

```yaml
server_name: example.org
public_name: matrix.example.org
```

An unknown key, a wrong type or a contradiction is refused, with all problems at once, before
anything changes. What an error says to write is accepted.

The file is YAML as Synapse reads it: a text such as `no`, `0123` or `2020-01-01` needs quotes, and
merge keys (`<<`) may be used. Files may begin with a byte order mark and have the line ends of
Windows, those with passwords too.

Besides, `/etc/altpeter-matrix/synapse.d/*.yaml` holds further Synapse options that not every user
of the host may read, and `/etc/altpeter-matrix/nginx.d/*.conf` nginx directives for the public
HTTPS server. Files there are merged in the order of their names, after `synapse` below.
"""

FORMATS = {
    "absolute-path": "full path",
    "backup-place": "directory, `sftp:USER@HOST:/PATH` or `s3:https://HOST/BUCKET/PATH`",
    "bandwidth": "size for each second: `500K`, `5M`",
    "dns-name": "host name",
    "duration": "duration: `90d`, `12w`, `1y`",
    "email-address": "e-mail address",
    "fingerprint": "fingerprint of 40 digits and letters",
    "host": "host name or IP address",
    "hours": "hours of a day, as `22:00-07:00`",
    "http-url": "http or https address",
    "https-url": "https address",
    "line": "text of one line",
    "localpart": "user name",
    "mailbox": "`Name <address>` or an address",
    "memory": "size of memory: `64M`, `2G`",
    "matrix-user-id": "Matrix user ID: `@admin:example.org`",
    "port-rule": "`PORT/tcp` or `PORT/udp`",
    "postgresql-name": "database name",
    "size": "size: `500K`, `50M`, `2G`",
    "time-of-day": "time of the day: `03:30`",
}
TYPES = {
    "array": "list",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "object": "group of keys",
    "string": "text",
}


def main() -> int:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = page(json.loads(SCHEMA.read_text(encoding="utf-8")))
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("error: docs/settings.md: is not what the schema says; run `make docs`")
        return 1
    return 0


def page(schema: Mapping[str, Any]) -> str:
    """The whole page."""
    return "\n".join((INTRODUCTION, *_settings(schema, path="", level=2)))


def _settings(group: Mapping[str, Any], path: str, level: int) -> Iterator[str]:
    required = group.get("required", [])
    for name, setting in group["properties"].items():
        full = f"{path}.{name}" if path else name
        yield f"{'#' * level} {full}\n"
        yield f"{setting['description']}\n"
        yield "\n".join(f"- {fact}" for fact in _facts(setting, name in required)) + "\n"
        if "properties" in setting:
            yield from _settings(setting, full, level=3)
        items = setting.get("items", {})
        if "properties" in items:
            yield from _settings(items, f"{full}[]", level=3)


def _facts(setting: Mapping[str, Any], required: bool) -> Iterator[str]:
    yield f"Value: {_value(setting)}"
    if required:
        yield "Required"
    elif "default" in setting and "properties" not in setting:
        yield f"Default: {_code(setting['default'])}"
    elif setting.get("default", {}) is None:
        yield "Default: `null`"
    if "examples" in setting:
        yield "Example: " + ", ".join(map(_code, setting["examples"]))


def _value(setting: Mapping[str, Any]) -> str:
    if "enum" in setting:
        return ", ".join(_code(choice) for choice in setting["enum"])
    types = setting["type"] if isinstance(setting["type"], list) else [setting["type"]]
    names = [_type(name, setting) for name in types if name != "null"]
    return " or ".join([*names, *(["`null`"] if "null" in types else [])])


def _type(name: str, setting: Mapping[str, Any]) -> str:
    if name == "string" and "format" in setting:
        return FORMATS[setting["format"]]
    if name == "integer" and "maximum" in setting:
        return f"whole number from {setting['minimum']} to {setting['maximum']}"
    if name == "array":
        return f"list, each item a {_value(setting['items'])}"
    return TYPES[name]


def _code(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`"


if __name__ == "__main__":
    sys.exit(main())
