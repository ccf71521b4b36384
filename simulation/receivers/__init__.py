"""Local receivers of notifications that speak their vendors' protocols: Slack, PagerDuty, SMTP and a heartbeat.

They stand in for the vendors' services: they prove that what Alertmanager sends is well-formed, authenticated and
says what it should, not that a vendor would deliver it to a person.
"""
