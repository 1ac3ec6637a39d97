"""Put what the commands of pages print now into the pages.

    python tests/doc_outputs.py docs/how-to/ci.md ...

An output with `...` in it that no longer fits is shown, and the page is left: what to leave out is
for whoever wrote it to say.
"""

import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from doc_pages import blocks
from doc_reader import Reader, as_shown, difference, tidy
from doc_stand_ins import swept
from paths import ROOT


def rewritten(text: str, reader: Reader) -> str:
    """Return a page with what its commands print now, where that is not what it shows."""
    for block in blocks(text):
        if block.language != "console":
            reader.read(block)
            continue
        reader.prepare(block)
        made = ""
        for command, shown in block.steps():
            printed = reader.does(command)
            made += f"$ {command}\n"
            if shown and as_shown(printed, shown):
                made += shown
            elif "..." in shown:
                sys.exit(difference(command, shown, printed))
            else:
                made += tidy(printed) + "\n" * bool(printed)
        text = text.replace(f"```console\n{block.text}", f"```console\n{made}", 1)
    return text


def main() -> None:
    for page in map(Path.absolute, map(Path, sys.argv[1:])):
        with tempfile.TemporaryDirectory() as folder, chdir(folder), swept():
            Path("fixtures").symlink_to(ROOT / "fixtures")
            reader = Reader(Path(folder, ".bin"), {"tcp://scheduler:8786": "local"})
            page.write_text(rewritten(page.read_text("utf-8"), reader), encoding="utf-8")


if __name__ == "__main__":
    main()
