"""Keys and content from a key server (KLMS) over mutual TLS."""
