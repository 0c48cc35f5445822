"""The acceptance test of a vendor's library: what ``kfasync provider check`` runs."""
