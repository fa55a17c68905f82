"""Checkpoints of other repositories: from their layouts to a configuration and weights of ours."""
