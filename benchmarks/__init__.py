"""Measurements that the documentation quotes; each says how to run it again."""
