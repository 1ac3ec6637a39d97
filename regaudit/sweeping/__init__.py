"""The sweep: kind and strength of regularization found by training on and validating."""
