"""The output formats, one a module; a new module is found by itself."""
