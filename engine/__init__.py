"""Pulumi on this machine: the real CLI, stand-ins for providers, `make render`, and the pinned tools."""
