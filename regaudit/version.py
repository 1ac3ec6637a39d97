"""The version of regaudit, and where its documentation is."""

VERSION = "0.1.0"

DOCS_URL = ""
"""Base address of the documentation: none is published. The setting `docs-url` names another."""
