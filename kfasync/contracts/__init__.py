"""The Protocols that rooms meet at, and the words that cross from one to the other."""
