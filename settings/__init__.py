"""The settings of a stack: `model.py` says what they can be, `fit.py` how they fit together, `reading.py` where they
come from.
"""

from settings.access import Access
from settings.fit import port_of, warnings
from settings.grafana import Ingress, SignIn
from settings.keys import CHANNEL_SECRETS, GRAFANA_PASSWORD, KEY, PROJECT, REMOTE_WRITE_CREDENTIAL, SECRET_KEYS
from settings.long_term import Metrics, RemoteWrite
from settings.model import LONGEST_INTERVAL_SECONDS, Aws, Charts, Redis, Retention, Settings, Tracing
from settings.notifications import (
    LONGEST_WARNING_WAIT_SECONDS,
    BusinessHours,
    Deployment,
    Email,
    Escalation,
    Links,
    Notifications,
    PagerDuty,
    Slack,
    Weekday,
)
from settings.reading import (
    Secrets,
    config_schema,
    is_encrypted,
    load,
    parse,
    read_config,
    read_stack,
    secret_keys,
    stack_file,
)
from settings.resources import Resources

__all__ = [
    "CHANNEL_SECRETS",
    "GRAFANA_PASSWORD",
    "KEY",
    "LONGEST_INTERVAL_SECONDS",
    "LONGEST_WARNING_WAIT_SECONDS",
    "PROJECT",
    "REMOTE_WRITE_CREDENTIAL",
    "SECRET_KEYS",
    "Access",
    "Aws",
    "BusinessHours",
    "Charts",
    "Deployment",
    "Email",
    "Escalation",
    "Ingress",
    "Links",
    "Metrics",
    "Notifications",
    "PagerDuty",
    "Redis",
    "RemoteWrite",
    "Resources",
    "Retention",
    "Secrets",
    "Settings",
    "SignIn",
    "Slack",
    "Tracing",
    "Weekday",
    "config_schema",
    "is_encrypted",
    "load",
    "parse",
    "port_of",
    "read_config",
    "read_stack",
    "secret_keys",
    "stack_file",
    "warnings",
]
