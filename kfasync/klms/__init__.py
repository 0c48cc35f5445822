"""The reference key server: a process of its own that speaks docs/klms-openapi.yaml."""
