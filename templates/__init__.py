"""Jinja2 templates, shipped as `regaudit.templates`."""
