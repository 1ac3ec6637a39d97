"""Inputs changed at random, and what no input may make a command do."""
