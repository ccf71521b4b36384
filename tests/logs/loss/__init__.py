"""What the log pipeline loses when things break: numbered lines, breakages, and a count of every single line."""
