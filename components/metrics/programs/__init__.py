"""Programs of our own that run in the cluster, each from a ConfigMap: one file, and nothing but Python."""
