"""What the administrator wrote, and what was made of it."""

from collections.abc import Iterator

from ...base import untrusted_files
from ...base.errors import MatrixConfigError, SettingsError
from ...host.links import Links
from ...synapse import conffile_edits, config_files, handmade
from .. import looks
from ..check import Check
from ..found import Found, found, in_own_words
from ..view import View


def set_up_by_hand(view: View) -> Iterator[Found]:
    yield from in_own_words("set-up-by-hand", handmade.problems(view.paths))


def last_apply(view: View) -> Iterator[Found]:
    last = view.shared(looks.last_apply)
    if view.shared(looks.generation) is None and last.ok:
        yield found("current-generation-missing", file=view.paths.current)
    if not last.time:
        yield found("never-applied")
    elif not last.ok:
        if last.problems:
            yield from in_own_words("apply-refused", last.problems)
        else:
            yield found("apply-failed")
    elif last.held:
        yield found("configuration-held", reason=last.held_because)
    elif view.shared(looks.pending):
        yield found("change-pending")


def settings(view: View) -> Iterator[Found]:
    try:
        view.shared(looks.written_settings)
    except SettingsError as error:
        yield from in_own_words("settings-refused", error.problems)


def generation(view: View) -> Iterator[Found]:
    number, store = view.shared(looks.generation), view.shared(looks.store)
    if number is None:
        return
    current = store.load(number)
    if current is None:
        yield found("generation-damaged", file=view.paths.current)
        return
    for one in store.tampering(current):
        yield found("generated-file-changed", file=one.file, what=one.what)


def links(view: View) -> Iterator[Found]:
    if view.shared(looks.generation) is None:
        return  # nothing was applied, which is said already
    for link in Links(view.paths).states().values():
        if link.action == "deleted":
            yield found("link-deleted", link=link.path, target=link.target)
        elif link.action in {"make", "restore"}:
            yield found("link-missing", link=link.path)
        elif link.action != "present":
            yield found("link-replaced", link=link.path, target=link.target)


def files_of_synapse(view: View) -> Iterator[Found]:
    problems = list(untrusted_files.problems(view.paths))
    try:
        config_files.texts_of_others(view.paths)
        untrusted_files.content(view.paths, config_files.signing_key(view.paths))
    except MatrixConfigError as error:
        problems += error.problems
    yield from in_own_words("synapse-file-unusable", problems)


def files_of_its_package(view: View) -> Iterator[Found]:
    yield from in_own_words("packaged-file-edited", conffile_edits.notices(view.paths))


# With one of these, what Synapse reads cannot be read here either.
NO_FILES = ("current-generation-missing", "link-missing", "synapse-file-unusable")
CHECKS = (
    Check("set up by hand", set_up_by_hand, ("set-up-by-hand",), live=False),
    Check(
        "the last apply",
        last_apply,
        (
            "current-generation-missing",
            "never-applied",
            "apply-refused",
            "apply-failed",
            "configuration-held",
            "change-pending",
        ),
        live=False,
    ),
    Check("settings.yaml", settings, ("settings-refused",), live=False),
    Check(
        "generated files",
        generation,
        ("generation-damaged", "generated-file-changed"),
        live=False,
    ),
    Check("links", links, ("link-deleted", "link-missing", "link-replaced"), live=False),
    Check("Synapse's files", files_of_synapse, ("synapse-file-unusable",), live=False),
    Check("Synapse's conffiles", files_of_its_package, ("packaged-file-edited",), live=False),
)
