"""The stack on this machine: the real Pulumi engine with stand-in providers, and the real monitoring it deploys."""
