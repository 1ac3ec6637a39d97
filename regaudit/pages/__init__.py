"""What HTML pages are made of: sections, charts, trends, the fleet."""
