"""Benchmarks: whole processes, side by side, with their answers compared."""
