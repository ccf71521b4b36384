"""The signals in time: what takes a minute to show because real programs have to wait."""
