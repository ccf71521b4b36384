"""What the specification lists for each dashboard, and the panels that answer it."""

from __future__ import annotations

import pytest

from checks.dashboard_json import BOARDS, Board, panels

REQUIRED_PANELS: dict[str, dict[str, list[str]]] = {
    "system-health": {
        "Service status and health indicators": [
            "Service status",
            "Service status over time",
            "Availability",
            "Probe success",
            "Health probe duration",
        ],
        "Availability and error budget left": [
            "Availability",
            "Error budget left",
            "Error budget left over time",
            "Burn rate over 30 minutes",
            "Burn rate over 3 hours",
            "Burn rate over 12 hours",
        ],
        "Response time percentiles (P50, P95, P99)": [
            "Response time P50",
            "Response time P95",
            "Response time P99",
        ],
        "Error rate trends and alerts": [
            "Requests in the time range",
            "Error rate",
            "Firing alerts",
            "Firing alerts by severity",
        ],
        "Resource utilization graphs": [
            "CPU by service",
            "Memory by service",
            "Container CPU against limit",
            "Container memory against limit",
        ],
    },
    "business-operations": {
        "Trading volume and order statistics": [
            "Orders",
            "Orders per minute",
            "Orders by side",
            "Orders by asset",
            "Order success rate",
            "Rejected orders",
            "Executed orders by side",
            "Executed orders by asset",
            "Trading volume",
            "Trading volume by side",
            "Trading volume by asset",
        ],
        "User registration and activity metrics": [
            "Registrations",
            "Logins",
            "Login success rate",
            "Registrations and logins per hour",
            "Active users",
        ],
        "Deposits and withdrawals": [
            "Transactions",
            "Transaction value",
            "Net deposits",
            "Transactions per minute",
            "Transaction value per minute",
        ],
        "Portfolio performance indicators": ["Portfolio value", "Profit and loss", "Return on cost"],
        "Asset price and balance trends": [
            "Asset prices",
            "Asset price change",
            "Asset balances",
            "Asset balance change",
        ],
    },
    "infrastructure": {
        "Kubernetes cluster health": [
            "Nodes ready",
            "Pods by phase",
            "Pods not ready",
            "Pods without a node",
            "Node conditions",
            "Resources requested",
        ],
        "Workloads": [
            "Replicas of workloads",
            "Replicas missing",
            "Rollouts under way",
            "Container restarts",
            "Restarts by container",
            "Containers killed for memory",
        ],
        "AWS service metrics": [
            "DynamoDB consumed capacity",
            "DynamoDB latency",
            "DynamoDB throttled requests",
            "DynamoDB errors",
            "EKS API requests",
            "EKS API latency",
            "Load balancer traffic",
            "Load balancer resets",
            "Redis CPU and memory",
        ],
        "AWS costs": [
            "Charges this month",
            "Charges at month's end",
            "Share of the budget",
            "Cost against budget",
            "Cost by service",
        ],
        "Network performance and latency": [
            "Node traffic",
            "Pod traffic",
            "Network errors and drops",
            "TCP retransmissions",
            "Probe duration",
            "Probe phases",
        ],
        "Storage and memory utilization": [
            "Node memory",
            "Pod memory",
            "Node disk",
            "Persistent volumes",
            "Files on persistent volumes",
        ],
    },
    "service-detail": {
        "Everything of one service": [
            "Status",
            "Error budget left",
            "Budget burn rate",
            "Firing alerts",
            "Request rate",
            "Error rate",
            "Response time",
            "Requests by status code",
            "Requests in progress",
            "Dependencies",
            "Calls that the gateway could not complete",
            "CPU",
            "Memory",
            "Open file descriptors",
            "Restarts",
        ],
        "By endpoint": [
            "Busiest endpoints",
            "Endpoints that fail",
            "Slowest endpoints",
            "Failing endpoints",
            "Requests by endpoint",
        ],
        "With its logs and traces beside it": ["Log lines by level", "Error logs", "All logs", "Slow or failed traces"],
    },
    "logs": {
        "Search by request id, text, level, user": [
            "Lines found",
            "Newest errors",
            "One request, by the id typed above",
        ],
        "Volume and error patterns": ["Lines by service", "Lines by level", "Messages of errors", "Errors by action"],
    },
    "monitoring": {
        "Ingestion": ["Samples ingested", "Active series", "Series created and removed"],
        "Cardinality by job": ["Samples by job", "Series added by job", "Sample limit used"],
        "Rule and query cost": ["Rule evaluation time of the interval", "Query duration P99 by phase"],
        "Notification latency and failures": ["Send latency", "Notification latency P95", "Notifications failed"],
        "Retention and volume forecast": ["History kept", "Size against the limit", "Days until a volume is full"],
        "Agent throughput and loss": ["Log lines read and sent", "Agent queue used", "Lines refused and lost"],
    },
}
"""The specification's words for each dashboard, and the panels that answer them."""


def required_panels_exist(board: Board) -> list[str]:
    titles = {panel["title"] for panel in panels(board)}
    return [
        f"the specification's {words!r} needs a panel {title!r}"
        for words, wanted in REQUIRED_PANELS.get(board["uid"], {}).items()
        for title in wanted
        if title not in titles
    ]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_panel_of_the_specification_is_there(uid: str) -> None:
    assert required_panels_exist(BOARDS[uid]) == []


def test_a_missing_panel_is_reported() -> None:
    board = BOARDS["service-detail"]
    rest = [panel for panel in board["panels"] if panel.get("title") != "Response time"]
    assert "'Response time'" in required_panels_exist(board | {"panels": rest})[0]


def test_uids_that_alerts_link_to_stay() -> None:
    assert set(REQUIRED_PANELS) <= set(BOARDS)
    assert all(board["uid"] == uid for uid, board in BOARDS.items())
