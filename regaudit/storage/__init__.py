"""Where files lie: paths, hub caches and object stores; files written whole or not at all."""
