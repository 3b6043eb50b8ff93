"""files/faults/ and the checks say the same: no fault without a check, no value without a text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from altpeter_matrix.status import checks, run
from altpeter_matrix.status.catalogue import Fault, load, read
from altpeter_matrix.status.checks import ASKING, CHECKS, SUBJECTS, catalogue

TOP = Path(__file__).resolve().parents[3]
FILES = sorted((TOP / "files/faults").glob("*.yaml"))
subjects = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda one: str(one.__name__))
faults = pytest.mark.parametrize("fault", catalogue().values(), ids=lambda one: str(one.id))


def name_of(subject: ModuleType) -> str:
    return subject.__name__.rpartition(".")[2]


def raised(subject: ModuleType) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Each fault that a module's code names, as a pattern, with the values that it gives; None: the
    fault is told in other words."""
    for node in ast.walk(ast.parse(Path(str(subject.__file__)).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            pattern = _pattern(node.args[0])
            if pattern is not None and node.func.id == "found":
                yield pattern, frozenset(str(one.arg) for one in node.keywords)
            if pattern is not None and node.func.id == "in_own_words":
                yield pattern, None


def _pattern(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        parts = (
            _pattern(one) if isinstance(one, ast.Constant) else "[a-z]+" for one in node.values
        )
        return "".join(part or "" for part in parts)
    return None


def test_each_subject_has_a_file_and_no_other_is_there() -> None:
    assert [path.stem for path in FILES] == sorted(checks.names())
    modules = {path.stem for path in Path(str(checks.__file__)).parent.glob("*.py")}
    assert modules - {"__init__"} == {name_of(one) for one in SUBJECTS}


def test_no_id_is_there_twice() -> None:
    ids = [one for path in FILES for one in re.findall(r"(?m)^([\w-]+):", path.read_text())]
    assert len(ids) == len(set(ids)) == len(catalogue())


@subjects
def test_checks_yield_what_the_file_of_their_subject_has(subject: ModuleType) -> None:
    declared = [one for check in subject.CHECKS for one in check.faults]
    assert sorted(declared) == sorted(read([name_of(subject)])), "each fault by one check"


@subjects
def test_the_code_gives_each_text_the_values_that_it_names(subject: ModuleType) -> None:
    own = read([name_of(subject)])
    for pattern, values in raised(subject):
        matching = [fault for one, fault in own.items() if re.fullmatch(pattern, one)]
        assert matching, f"{pattern} is no fault of {subject.__name__}"
        for fault in matching:
            assert fault.own_words is (values is None), fault.id
            assert values is None or fault.values == values, fault.id


@subjects
def test_each_fault_with_values_is_raised_somewhere(subject: ModuleType) -> None:
    patterns = [pattern for pattern, values in raised(subject) if values is not None]
    for one, fault in read([name_of(subject)]).items():
        if not fault.own_words:
            assert any(re.fullmatch(pattern, one) for pattern in patterns), one


@faults
def test_each_fault_is_complete(fault: Fault) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", fault.id)
    assert fault.severity in {"error", "warning", "unknown"}
    assert fault.asks.endswith("?") and len(fault.asks) < 120
    assert fault.says and fault.remedy
    assert fault.remedy.count("`") % 2 == 0
    # What others found comes with its own remedy.
    assert not (fault.own_words and fault.values)


@faults
def test_the_page_of_each_fault_is_there(fault: Fault) -> None:
    name, _, anchor = fault.page.partition("#")
    page = (TOP / "docs" / name).read_text()
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
    assert not anchor or anchor in anchors


def test_names_of_checks_are_unique() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))


def test_what_makes_a_check_pointless_is_asked_before_it() -> None:
    before: set[str] = set()
    for check in CHECKS:
        needed = run.prerequisites(check, CHECKS)
        assert set(needed) <= before, check.name
        assert set(check.unless) <= set(catalogue()), check.name
        before.add(check.name)


def test_an_unknown_key_of_the_catalogue_is_refused() -> None:
    with pytest.raises(TypeError):
        Fault("a-b", **load("{severity: error, asks: a, says: b, remedy: c, page: d, e: f}"))  # type: ignore[arg-type]
    assert read([ASKING])["could-not-be-asked"].values == {"check", "why"}
