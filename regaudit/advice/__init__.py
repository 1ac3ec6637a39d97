"""How strong a regularizer should be, and what else to change."""
