"""Which series the rows read: those of the nodes and namespaces chosen."""

from __future__ import annotations

NODE = 'job="node-exporter", instance=~"$instance"'
POD = 'namespace=~"$any_namespace"'
