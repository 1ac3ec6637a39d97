"""What an audit says: data, words, JSON."""
