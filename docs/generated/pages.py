"""Write generated pages: only what changed, so that a second build is quick."""

from collections.abc import Mapping
from pathlib import Path


def write_all(folder: Path, pattern: str, pages: Mapping[str, str]) -> None:
    """Make the files of this pattern in a folder be these, by name, and no others."""
    for file in folder.glob(pattern):
        if file.name not in pages:
            file.unlink()
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        file = folder / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
