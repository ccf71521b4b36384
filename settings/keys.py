"""Names of the keys in a stack's configuration."""

PROJECT = "order-processor-monitoring"
KEY = f"{PROJECT}:stack"
GRAFANA_PASSWORD = "grafanaAdminPassword"  # noqa: S105 - the name of a secret, not its content

REMOTE_WRITE_CREDENTIAL = "remoteWriteCredential"
GRAFANA_CLIENT_SECRET = "grafanaClientSecret"  # noqa: S105 - the name of a secret, not its content

CHANNEL_SECRETS = {
    "slack": "slackWebhookUrl",
    "pagerduty": "pagerdutyRoutingKey",
    "email": "smtpPassword",
    "heartbeat": "heartbeatUrl",
}
"""The secret key that each notification channel needs."""

SECRET_KEYS = (*CHANNEL_SECRETS.values(), REMOTE_WRITE_CREDENTIAL, GRAFANA_CLIENT_SECRET, GRAFANA_PASSWORD)
"""Every key that has a secret."""
