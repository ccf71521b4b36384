"""Rules, routes and messages."""
