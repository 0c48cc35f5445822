"""The crypto paths, behind one Protocol."""
