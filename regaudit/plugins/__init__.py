"""Plug-ins: what other distributions add, found by their entry points and called with care."""
