"""Every process of the rehearsal: what runs, with which arguments, and what makes it start anew."""

from __future__ import annotations

import shlex
import sys
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from catalogue import Catalogue
from catalogue_fit import DEPENDENCIES_OUTSIDE
from components.logs.agent import AGENT_START
from components.metrics.route_sums import PROGRAM
from engine.toolchain import tool
from facts import ROOT
from local.ports import HOST, SERVICES, Ports
from local.program import Program, digest
from local.state import State
from parts import STACK, TRACE_SAMPLER
from rehearsal import jaeger, speed
from rehearsal.deployed import Deployed
from simulation import redis
from simulation.application.package.spans import ENDPOINT as SPANS_TO
from simulation.receivers.heartbeat import HEARTBEAT_GRACE_SECONDS, HEARTBEAT_PERIOD_SECONDS
from simulation.receivers.prometheus import PROMETHEUS

INSTRUMENTATION = str(ROOT / "instrumentation" / "src")
"""Where the simulated services find the instrumentation package, which is not installed: requirements have hashes."""

NODE_EXPORTER_ARGUMENTS = (
    "--collector.filesystem.mount-points-exclude="
    "^/(dev|proc|sys|run/containerd/.+|var/lib/docker/.+|var/lib/kubelet/.+)($|/)",
    "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl"
    "|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs"
    "|erofs)$",
)
"""What kube-prometheus-stack 88.5.3 gives node_exporter where the values set no `extraArgs`."""


def programs(
    state: State,
    ports: Ports,
    catalogue: Catalogue,
    dialect: str,
    pace: int = 1,
    rate: float | None = None,
    *,
    traces: bool = False,
) -> list[Program]:
    """Every process, with services of this dialect; receivers first: nothing that is sent may find nobody there.
    So is Redis before the gateway, which looks for it only when it starts.

    `rate` is how many steps customers take in a second, where it is not the load generator's own. With `traces` the
    services send spans, and what keeps them runs, too.
    """
    services = [name for name in SERVICES if any(service.name == name for service in catalogue.services)]
    return [
        _receivers(state, ports, pace),
        redis.program(ports.address(redis.NAME)),
        _exporters(ports),
        _node_exporter(state, ports),
        _blackbox(state, ports, pace),
        _route_sums(ports),
        _loki(state),
        *([_jaeger(state)] if traces else []),
        *([_sampler(state, ports)] if traces and Deployed(state.cluster).samples else []),
        _alertmanager(state, ports),
        _prometheus(state, ports, pace),
        _agent(state, ports),
        *(simulated_service(name, state, ports, catalogue, dialect, pace, traces=traces) for name in services),
        _load(ports, dialect, rate, without=[name for name in SERVICES if name not in services]),
    ]


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _receivers(state: State, ports: Ports, pace: int) -> Program:
    credentials = state.credentials / "receivers.json"
    command = _python(
        "simulation.receivers",
        f"--http-port={ports['receivers']}",
        f"--smtp-port={ports['smtp']}",
        f"--certificates={state.certificates}",
        f"--store={state.received}",
        f"--credentials={credentials}",
        f"--alertmanager={ports.url('alertmanager')}",
        f"--prometheus={ports.url('prometheus')}",
        f"--loki={ports.url('loki')}",
        f"--port-offset={ports.offset}",
        f"--report={shlex.join(_python('report'))}",
        *speed.heartbeat_flags(HEARTBEAT_PERIOD_SECONDS, HEARTBEAT_GRACE_SECONDS, pace),
    )
    # The report finds the rehearsal by its directory.
    return Program("receivers", command, {"STATE": str(state.root)}, restart_on=digest(credentials))


def _exporters(ports: Ports) -> Program:
    command = _python("simulation.exporters.cluster", f"--port={ports['exporters']}")
    return Program("exporters", command)


def _node_exporter(state: State, ports: Ports) -> Program:
    """It reads this machine: the arguments are the chart's but for the paths at which a pod finds its node."""
    values = Deployed(state.cluster).release(STACK)["prometheus-node-exporter"]
    arguments = values.get("extraArgs", NODE_EXPORTER_ARGUMENTS)
    command = [
        str(tool("node-exporter")),
        f"--web.listen-address={ports.address('node-exporter')}",
        *arguments,
        # The stack deploys no such flag: while the directory is empty it changes nothing, and drills put disks there.
        f"--collector.textfile.directory={state.disks}",
        "--log.level=warn",
    ]
    return Program("node-exporter", command)


def _blackbox(state: State, ports: Ports, pace: int) -> Program:
    configuration = state.configuration / "blackbox" / "blackbox.yaml"
    command = [
        str(tool("blackbox")),
        f"--config.file={configuration}",
        f"--web.listen-address={ports.address('blackbox')}",
        "--log.level=warn",
        *speed.blackbox_flags(pace),
    ]
    return Program("blackbox", command, restart_on=digest(configuration))


def _route_sums(ports: Ports) -> Program:
    command = [sys.executable, str(PROGRAM), "--address", HOST, f"--port={ports['route-sums']}"]
    return Program("route-sums", command, restart_on=digest(PROGRAM))


def _loki(state: State) -> Program:
    configuration = state.configuration / "loki" / "loki.yaml"
    command = [str(tool("loki")), f"-config.file={configuration}"]
    return Program("loki", command, restart_on=digest(configuration))


def _jaeger(state: State) -> Program:
    configuration = state.configuration / "jaeger" / "jaeger.yaml"
    command = [str(tool(jaeger.NAME)), f"--config={configuration}"]
    # It would trace itself, and send that to the log agent's port.
    return Program(jaeger.NAME, command, {"OTEL_TRACES_SAMPLER": "always_off"}, restart_on=digest(configuration))


def _sampler(state: State, ports: Ports) -> Program:
    configuration = state.configuration / "sampler" / "sampler.yaml"
    environment = {
        "AGENT_HEALTH_PORT": str(ports["sampler-health"]),
        "AGENT_METRICS_PORT": str(ports["sampler-metrics"]),
        "AGENT_OTLP_GRPC_PORT": str(ports["sampler"]),
        "AGENT_LOG_LEVEL": "warn",
        "TRACES_OTLP": ports.address("jaeger-otlp"),
    }
    command = [str(tool("collector")), f"--config={configuration}"]
    return Program(TRACE_SAMPLER.workload, command, environment, restart_on=digest(configuration))


def _alertmanager(state: State, ports: Ports) -> Program:
    spec = Deployed(state.cluster).release(STACK)["alertmanager"]["alertmanagerSpec"]
    command = [
        str(tool("alertmanager")),
        f"--config.file={state.configuration / 'alertmanager' / 'alertmanager.yaml'}",
        f"--storage.path={state.data / 'alertmanager'}",
        f"--web.listen-address={ports.address('alertmanager')}",
        f"--web.external-url={spec['externalUrl']}",
        f"--web.route-prefix={spec.get('routePrefix', '/')}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    # The mail receiver's certificate is from the rehearsal's own authority.
    environment = {"SSL_CERT_FILE": str(state.certificates / "ca.pem")}
    return Program("alertmanager", command, environment)


def _prometheus(state: State, ports: Ports, pace: int) -> Program:
    spec = Deployed(state.cluster).release(STACK)["prometheus"]["prometheusSpec"]
    rules, features = spec["additionalConfig"]["rules"], spec.get("enableFeatures", [])
    command = [
        str(tool("prometheus")),
        f"--config.file={state.configuration / 'prometheus' / 'prometheus.yaml'}",
        f"--storage.tsdb.path={state.data / 'prometheus'}",
        f"--web.listen-address={ports.address('prometheus')}",
        # Where an alert's link to its expression leads: Prometheus is built without its own page.
        f"--web.external-url={ports.url('receivers')}{PROMETHEUS}",
        "--web.route-prefix=/",
        "--web.enable-otlp-receiver",
        *(f"--enable-feature={feature}" for feature in features),
        *speed.prometheus_flags(rules["alert"]["forGracePeriod"], pace),
        "--log.level=warn",
        # New targets within a fraction of a second; the default of 5 s spares API servers, and there is none here.
        "--scrape.discovery-reload-interval=200ms",
    ]
    return Program("prometheus", command)


def _agent(state: State, ports: Ports) -> Program:
    configuration = state.configuration / "agent" / "agent.yaml"
    values = Deployed(state.cluster).release("log-agent")
    command = ["sh", str(AGENT_START), f"--config={configuration}", *values["command"]["extraArgs"]]
    environment = agent_environment(values, state, ports)
    return Program("log-agent", command, environment, restart_on=digest(configuration))


def agent_environment(values: Mapping[str, Any], state: State, ports: Ports) -> dict[str, str]:
    """What the release's values give the agent, but for the paths and addresses of this machine."""
    # A variable without a value reads what only a pod has; the agent's configuration has a default for it.
    deployed = {variable["name"]: variable["value"] for variable in values["extraEnvs"] if "value" in variable}
    return deployed | {
        "POD_LOG_ROOT": str(state.pods),
        "AGENT_PROGRAM": str(tool("collector")),
        "AGENT_STATE_DIR": str(state.data / "agent"),
        "AGENT_HEALTH_PORT": str(ports["agent-health"]),
        "AGENT_METRICS_PORT": str(ports["agent-metrics"]),
        "AGENT_OTLP_GRPC_PORT": str(ports["agent-otlp-grpc"]),
        "AGENT_OTLP_HTTP_PORT": str(ports["agent-otlp-http"]),
        "AGENT_LOG_LEVEL": "warn",
        "LOKI_OTLP_URL": f"{ports.url('loki')}/otlp",
        "PROMETHEUS_OTLP_URL": f"{ports.url('prometheus')}/api/v1/otlp",
        "TRACES_OTLP": ports.address("sampler" if Deployed(state.cluster).samples else "jaeger-otlp"),
    }


def simulated_service(
    name: str, state: State, ports: Ports, catalogue: Catalogue, dialect: str, pace: int = 1, *, traces: bool = False
) -> Program:
    """A simulated service, inside the stand-in for its container: its output becomes a log file as on a node.

    With `traces` it sends its spans to the log agent, if its dialect has any.
    """
    pod = f"{catalogue.namespace}_{name}-rehearsal_{uuid.uuid5(uuid.NAMESPACE_DNS, name)}"
    log = state.pods / pod / name / "0.log"
    known = {service.name: service for service in catalogue.services}
    arguments = [f"--port={ports[name]}", f"--dialect={dialect}", f"--metrics-path={known[name].metrics_path}"]
    if name == "gateway":
        module = "simulation.application.gateway"
        arguments += [f"--backend={backend}={ports.url(backend)}" for backend in SERVICES if backend != "gateway"]
        arguments.append(f"--redis={ports.address(redis.NAME)}")
    else:
        module = "simulation.application.service"
        arguments.append(f"--name={name}")
        stores = DEPENDENCIES_OUTSIDE.intersection(known[name].requires)
        arguments += [f"--dependency={store}" for store in sorted(stores)]
        arguments += speed.check_flags(pace)
    command = _python("simulation.application.container", f"--log={log}", "--", *_python(module, *arguments))
    environment = {"PYTHONPATH": INSTRUMENTATION}
    if traces:
        environment[SPANS_TO] = ports.url("agent-otlp-grpc")
    return Program(name, command, environment)


def _load(ports: Ports, dialect: str, rate: float | None, without: Iterable[str]) -> Program:
    command = _python(
        "simulation.application.load",
        f"--gateway={ports.url('gateway')}",
        f"--dialect={dialect}",
        f"--port={ports['load']}",
        *([] if rate is None else [f"--rate={rate:g}"]),
        *(f"--without={name}" for name in without),
    )
    return Program("load", command)
