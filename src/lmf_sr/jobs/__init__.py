"""A job: what a verb that takes `KEY=VALUE` does in a folder of its own, alone or in a sweep."""
