"""What HTML pages are made of: sections, charts, trends; one model and many."""
