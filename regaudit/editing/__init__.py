"""What to change in a model, and writing it into the file."""
