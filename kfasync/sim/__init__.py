"""The world on a desk: a simulated fob, and readers to place it on."""
