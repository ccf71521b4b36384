"""Stand-ins for the exporters of a cluster: real series names, types and labels; invented numbers."""
