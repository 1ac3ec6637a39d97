"""Names for the pages of models in a folder: safe on every system, and always the same."""

import re
from hashlib import sha256
from itertools import count

INDEX = "index.html"
"""The page on all models."""

LONGEST = 60
"""Characters of a model's name that are kept, those at its end."""

_OTHERS = re.compile(r"[^A-Za-z0-9_]+")


class PageNames:
    """Gives each state of each file a name of its own."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, object], str] = {}
        self._taken: set[str] = set()

    def of(self, file: str, state: object) -> str:
        """Return the name of a page.

        Args:
            file: what the model is called; this alone decides, so that links to a page last,
                whatever other models there are.
            state: of the model; a second one is numbered.
        """
        if (file, state) not in self._given:
            stem = _stem(file)
            names = (f"{stem}-{number}.html" for number in count(2))
            name = f"{stem}.html"
            while name in self._taken:
                name = next(names)
            self._taken.add(name)
            self._given[file, state] = name
        return self._given[file, state]


def _stem(file: str) -> str:
    """Return the end of a name in plain letters, and a part of its hash, which tells it apart."""
    plain = _OTHERS.sub("-", file)[-LONGEST:].strip("-")
    digest = sha256(file.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{plain or 'model'}-{digest}"
