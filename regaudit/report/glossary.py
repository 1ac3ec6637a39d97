"""Terms that people meet in a report first, each explained in one line below it."""

from collections.abc import Iterator

TERMS = {
    "in force": "Keras adds its penalty to the loss, and training changes the weight",
    "chance loss": "the loss of the best model that gives every input the same answer",
}
"""What a term means, by the term."""


def explained(text: str) -> Iterator[str]:
    """Yield a line for each term that a text uses, in the order of the table."""
    words = " ".join(text.split())
    for term, meaning in TERMS.items():
        if f" {term}" in words:
            yield f"{term}: {meaning}"
