"""The stack's parts: components that register resources, and the pure functions that decide what they hold."""
