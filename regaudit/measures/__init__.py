"""Numbers taken from tensors: moments, spectra, penalties."""
