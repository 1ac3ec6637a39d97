"""One file in, one report out."""
