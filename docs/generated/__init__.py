"""Pages that the build makes from the code, so that they cannot fall behind it."""
