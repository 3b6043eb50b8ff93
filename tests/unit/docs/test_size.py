"""No module is longer than a reader takes in at once."""

from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
MOST = 300


def modules() -> list[Path]:
    """Every Python file of ours, and none of what was built or installed."""
    tops = (path for path in TOP.iterdir() if path.name not in {"build", "dist", "deb_dist"})
    below = (path.rglob("*.py") for path in tops if path.is_dir() and path.name[0] != ".")
    return [*TOP.glob("*.py"), *(module for folder in below for module in folder)]


def test_no_module_has_more_than_300_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in modules()}
    assert len(lengths) > 300
    long = {str(path.relative_to(TOP)): n for path, n in lengths.items() if n > MOST}
    assert long == {}, f"more than {MOST} lines; divide each by subject"
