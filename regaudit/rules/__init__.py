"""The rules, one a module; a new module is found by itself."""
