"""Would a test notice a mistake in a rule? `make mutate`."""
