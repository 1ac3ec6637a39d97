"""The version of regaudit."""

VERSION = "0.1.0"
