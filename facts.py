"""What components, dashboards, the rehearsal and `make verify` have to agree on, each stated once."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
"""The project's directory."""

NAMESPACE = "monitoring"
"""Namespace of everything that the program deploys."""

SAMPLE_LIMIT = 50_000
"""A fuse of each scrape of a service, far above normal use: beyond it all of it fails, and nothing is measured."""

LOKI_MEGABYTES_A_SECOND = 16
"""Log lines that Loki takes, in MiB a second; what is above it is refused, and sent again."""

LOKI_STREAMS = 5_000
"""Streams beyond which Loki refuses new ones."""

BUSYBOX = "docker.io/library/busybox:1.37.0-uclibc"
"""Linked statically, so that its shell also runs in an image without libraries."""
