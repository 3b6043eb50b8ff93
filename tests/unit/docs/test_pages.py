"""What the pages send their reader to is there."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
PAGES = sorted((*TOP.glob("*.md"), *TOP.glob("docs/*.md")))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (TOP / "Makefile").read_text(), re.MULTILINE))
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_the_pages_are_found() -> None:
    assert len(PAGES) > 15 and {"demo", "check", "test-fast"} <= TARGETS
    assert "adding-a-setting" in anchors(TOP / "docs/architecture.md")


@pages
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        there = page.parent / path if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


@pages
def test_make_has_the_targets_that_are_named(page: Path) -> None:
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= TARGETS
