"""The operator's page: what is shown of a station in a browser, from a process of its own."""
