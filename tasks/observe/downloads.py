"""What a host gets from a URL, whose way to the network is the one that counts."""

import base64
import binascii

from pyinfra.api import FactBase, QuoteString, StringCommand


def _download(url: str, then: str) -> StringCommand:
    """Fetch through apt's own methods, proxies included, and do something with `$file`."""
    return StringCommand(
        "directory=$(mktemp -d) && chmod 755 $directory && file=$directory/file;",
        "/usr/lib/apt/apt-helper -q download-file",
        QuoteString(url),
        f"$file >/dev/null 2>&1 && {then};",
        "rm -rf $directory; true",
    )


class SigningKey(FactBase[bytes | None]):
    """The keyring at a URL, as the host gets it; of what is too large for one, the beginning."""

    def command(self, url: str, largest: int) -> StringCommand:
        return _download(url, f"head -c {largest + 1} $file | base64 -w 0")

    def process(self, output: list[str]) -> bytes | None:
        try:
            return base64.b64decode("".join(output), validate=True) or None
        except binascii.Error:
            return None


class Downloadable(FactBase[bool]):
    """Whether the host gets a file from a URL."""

    def command(self, url: str) -> StringCommand:
        return _download(url, "echo yes")

    def process(self, output: list[str]) -> bool:
        return output == ["yes"]
