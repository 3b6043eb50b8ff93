"""Text as people's editors and other systems leave it, and as programs want it."""

# Some editors begin a file with it, UTF-8 included (Unicode, section 23.8).
_BYTE_ORDER_MARK = "\ufeff"


def decoded(content: bytes) -> str:
    """UTF-8 text without its byte order mark; UnicodeDecodeError for what is none."""
    return content.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)


def visible(text: str) -> str:
    """For a terminal: what is not printable, as its control sequences are, in Python's writing."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode()
        for one in text
    )


def only_line(text: str) -> str | None:
    """A secret in a file of its own: the one line without its end; None for none, or for more.

    Spaces stay, they may belong to it.
    """
    line = text.removeprefix(_BYTE_ORDER_MARK).strip("\r\n")
    return line if line and not {"\r", "\n"} & set(line) else None


def first_line(text: str) -> str:
    """The first line without its end, as Unix, Windows and old Macs write it."""
    line = text.removeprefix(_BYTE_ORDER_MARK)
    return line.partition("\n")[0].partition("\r")[0]
