"""A version of a package, as apt and dpkg name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Release:
    """A version of a package."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"
