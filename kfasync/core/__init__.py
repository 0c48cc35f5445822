"""What is said to the card: bytes in, bytes out; no I/O, no clock, no randomness."""
