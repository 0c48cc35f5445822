"""Who the bytes go to."""
