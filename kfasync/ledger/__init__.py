"""Which content belongs to which unit, and what became of both."""
