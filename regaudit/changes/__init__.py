"""Two reports compared, and how that is shown."""
