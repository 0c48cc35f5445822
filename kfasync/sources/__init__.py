"""Where the content of a fob comes from."""
