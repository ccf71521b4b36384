"""Derives each process's configuration from the deployed objects.

Nothing here decides anything that the deployed objects already say: only addresses and paths of this machine differ.
Every file goes into `config/<part>/`; what changed says what has to be reloaded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from catalogue import Catalogue
from rehearsal import scrape
from rehearsal.deployed import Deployed
from rehearsal.ports import HOST, SERVICES, Ports
from rehearsal.state import State

MOUNTED_SECRETS = "/etc/alertmanager/secrets"
MOUNTED_TEMPLATES = "/etc/alertmanager/config"
STACK_RELEASE = "kube-prometheus-stack"


def derive(state: State, ports: Ports, catalogue: Catalogue, operatorconfig: Path) -> set[str]:
    """Write every configuration file, leaving alone what is the same.

    Returns whose files changed: `prometheus`, `alertmanager`, `loki`, `agent`.
    """
    deployed = Deployed(state.cluster)
    files = (
        _prometheus(deployed, state, ports, catalogue, operatorconfig)
        | _alertmanager(deployed, state, ports)
        | _loki(deployed, state, ports)
        | {"agent/agent.yaml": _dump(deployed.release("log-agent")["alternateConfig"])}
    )
    credentials = deployed.secret("alertmanager-credentials")
    for name, text in credentials.items():
        _write(state.credentials / name, text)
    _write(state.credentials / "receivers.json", json.dumps(_receivers(deployed, credentials)))
    changed = {name.split("/")[0] for name, text in files.items() if _write(state.configuration / name, text)}
    return changed | _remove_others(state.configuration, set(files))


def _prometheus(
    deployed: Deployed, state: State, ports: Ports, catalogue: Catalogue, operatorconfig: Path
) -> dict[str, str]:
    """The operator's own configuration for the deployed monitors, their rules, and the targets on this machine."""
    rules = {
        f"prometheus/rules/{rule['metadata']['name']}.yaml": _dump(rule["spec"])
        for rule in deployed.objects("PrometheusRule")
    }
    directory = state.configuration / "prometheus"
    monitors = [item for kind in ("ServiceMonitor", "PodMonitor", "Probe") for item in deployed.objects(kind)]
    values = deployed.release(STACK_RELEASE)["prometheus"]["prometheusSpec"]
    configuration = scrape.prometheus_configuration(monitors, values, _local(directory, ports, operatorconfig))
    targets = {
        f"prometheus/targets/{name}": json.dumps(groups, indent=2)
        for name, groups in scrape.discovery_targets(_endpoints(catalogue, ports)).items()
    }
    return rules | {"prometheus/prometheus.yaml": _dump(configuration)} | targets


def _local(directory: Path, ports: Ports, operatorconfig: Path) -> scrape.Local:
    return scrape.Local(
        operatorconfig=operatorconfig,
        targets=directory / "targets",
        rule_files=[str(directory / "rules" / "*.yaml")],
        addresses={
            "prometheus": ports.address("prometheus"),
            "alertmanager": ports.address("alertmanager"),
            "loki": ports.address("loki"),
            "log_agent": ports.address("agent-metrics"),
            "blackbox": ports.address("blackbox"),
            "exporters": ports.address("exporters"),
        },
    )


def _endpoints(catalogue: Catalogue, ports: Ports) -> list[scrape.Endpoint]:
    """What discovery would find: one pod of every service that is simulated here, and Alertmanager."""
    services = [
        scrape.application_endpoint(catalogue.namespace, service.name, ports.address(service.name))
        for service in catalogue.services
        if service.name in SERVICES
    ]
    return [*services, scrape.alertmanager_endpoint(ports.address("alertmanager"))]


def _alertmanager(deployed: Deployed, state: State, ports: Ports) -> dict[str, str]:
    """The deployed Secret; only the credential files' paths and the receivers' addresses differ."""
    secret = dict(deployed.secret("alertmanager-configuration"))
    text = secret.pop("alertmanager.yaml")
    text = text.replace(f"{MOUNTED_SECRETS}/alertmanager-credentials", str(state.credentials))
    text = text.replace(MOUNTED_TEMPLATES, str(state.configuration / "alertmanager"))
    configuration = yaml.safe_load(text)
    _point_at_local_receivers(configuration, ports)
    files = {f"alertmanager/{name}": template for name, template in secret.items()}
    return files | {"alertmanager/alertmanager.yaml": _dump(configuration)}


def _point_at_local_receivers(configuration: dict[str, Any], ports: Ports) -> None:
    pagerduty = f"{ports.url('receivers')}/pagerduty/v2/enqueue"
    places = [configuration.get("global", {}), *_integrations(configuration)]
    for place in places:
        for key, address in (
            ("pagerduty_url", pagerduty),
            ("smtp_smarthost", ports.address("smtp")),
            ("smarthost", ports.address("smtp")),
        ):
            if key in place:
                place[key] = address
    for receiver in configuration["receivers"]:
        for integration in receiver.get("pagerduty_configs", []):
            integration["url"] = pagerduty


def _integrations(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        integration
        for receiver in configuration["receivers"]
        for key, integrations in receiver.items()
        if key.endswith("_configs")
        for integration in integrations
    ]


def _receivers(deployed: Deployed, credentials: dict[str, str]) -> dict[str, str]:
    """What the local receivers expect: the very credentials that Alertmanager was deployed with."""
    configuration = yaml.safe_load(deployed.secret("alertmanager-configuration")["alertmanager.yaml"])
    return {
        "slack_path": _path(credentials["slack-webhook-url"], "/slack/"),
        "pagerduty_routing_key": credentials["pagerduty-routing-key"],
        "smtp_user": configuration["global"]["smtp_auth_username"],
        "smtp_password": credentials["smtp-password"],
        "heartbeat_path": _path(credentials["heartbeat-url"], "/heartbeat/"),
    }


def _path(url: str, after: str) -> str:
    return url.partition(after)[2]


def _loki(deployed: Deployed, state: State, ports: Ports) -> dict[str, str]:
    """The values' configuration as the chart hands it to Loki; only ports and paths differ."""
    values = deployed.release("loki")["loki"]
    data = state.data / "loki"
    configuration = {
        "auth_enabled": values["auth_enabled"],
        "server": {
            "http_listen_address": HOST,
            "http_listen_port": ports["loki"],
            "grpc_listen_address": HOST,
            "grpc_listen_port": ports["loki-grpc"],
            "log_level": "warn",
        },
        "common": {
            "path_prefix": str(data),
            "replication_factor": values["commonConfig"]["replication_factor"],
            "ring": {"instance_addr": HOST, "kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {"chunks_directory": str(data / "chunks"), "rules_directory": str(data / "rules")}
            },
        },
        "ingester": {"lifecycler": {"min_ready_duration": "0s"}},  # there is no other ingester to wait for
        "frontend": {"address": HOST},  # otherwise that of the first network interface
        "schema_config": values["schemaConfig"],
        "limits_config": values["limits_config"],
        "compactor": values["compactor"] | {"working_directory": str(data / "compactor")},
        "analytics": values["analytics"],
    }
    return {"loki/loki.yaml": _dump(configuration)}


def _dump(document: Any) -> str:
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)


def _write(path: Path, text: str) -> bool:
    """Write a file that only its owner can read; returns whether it is new or different."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)
    return True


def _remove_others(directory: Path, names: set[str]) -> set[str]:
    """Remove configuration files of objects that are no longer deployed; returns the parts they belonged to."""
    gone = [path for path in directory.rglob("*.*") if path.is_file() and str(path.relative_to(directory)) not in names]
    for path in gone:
        path.unlink()
    return {path.relative_to(directory).parts[0] for path in gone}
