"""The whole station through a real pcscd: the product as it stands on the line."""
