"""Measuring what the cryptography of one fob costs, by every path and beside others."""
