"""Parsing, printing and exit codes; nothing else."""
