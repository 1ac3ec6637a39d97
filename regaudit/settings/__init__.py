"""`[tool.regaudit]`: values, presets, overrides, the baseline."""
