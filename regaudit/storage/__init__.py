"""Where files lie: paths, hub caches and object stores; files written completely or not at all."""
