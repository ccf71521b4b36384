"""Infrastructure: is the cluster healthy, what do AWS's services do and cost, and where does room run out?"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import (
    NEUTRAL,
    Limits,
    Query,
    above,
    bars,
    stat,
    states,
    table,
    timeseries,
    to_service,
    where_there_is,
)

NODE = 'job="node-exporter", instance=~"$instance"'
POD = 'namespace=~"$namespace"'
TABLE = 'dimension_table_name=~"$table"'

REAL_DEVICE = 'device!~"lo|veth.*|cali.*|cni.*|eni.*|docker.*|br-.*"'
"""Network devices that carry a node's own traffic; pod interfaces would count the same bytes again."""

DISK = f'{NODE}, fstype=~"btrfs|ext4|xfs|zfs"'
"""Filesystems that can fill up; the alert on disks looks at the same."""

CLOUDWATCH_PERIOD = 300
"""Seconds that one CloudWatch sum covers; dividing by it gives a rate."""
CLOUDWATCH_DELAY = 120
"""Seconds after which such a sum is complete; the exporter asks again in each period."""
NAMED_LATE = f"Up to {2 * CLOUDWATCH_PERIOD // 60} minutes late."
NAMED_SUM = (
    f"{NAMED_LATE} Too low by up to {100 * CLOUDWATCH_DELAY // CLOUDWATCH_PERIOD} %: the last minutes come later."
)
"""Figures of tables and the cluster, which are asked for up to now, whether they are complete or not."""
FOUND_LATE = f"{CLOUDWATCH_DELAY // 60} to {(CLOUDWATCH_DELAY + 2 * CLOUDWATCH_PERIOD) // 60} minutes late."
"""Figures of what is found by its tags, which are asked for once they are complete."""

BILLED_SERVICE = 'dimension_service_name!=""'
"""The bill of one AWS service; the whole bill has no name."""

FORECAST = "(aws:month_forecast:usd or aws:month_charges:usd)"
"""The month's charges at its end. There is no forecast in its first week: then those so far."""

BUDGET_NEEDED: Limits = [(None, "blue"), (0, "green"), (0.9, "orange"), (1, "red")]
"""Blue where there is no budget."""

DESIRED = ("spec_replicas", "replicas", "status_desired_number_scheduled")
READY = ("status_replicas_ready", "status_replicas_ready", "status_number_ready")
UPDATED = ("status_replicas_updated", "status_replicas_updated", "status_updated_number_scheduled")
"""What Deployments, StatefulSets and DaemonSets call the same number of pods."""

PHASE_COLOURS = {"Running": "green", "Pending": "orange", "Failed": "red", "Unknown": "red"}


def build(catalogue: Catalogue) -> Dashboard:
    """The dashboard; it is about the whole cluster, so the catalogue is not used."""
    del catalogue
    return board.dashboard(
        "infrastructure",
        "Infrastructure",
        "Nodes, pods, workloads, volumes and network under the order processor, and the AWS services with their costs.",
        variables=[
            board.datasource(),
            board.choice("instance", "Node", "label_values(node_uname_info, instance)"),
            board.namespace(),
            board.choice(
                "table",
                "DynamoDB table",
                "label_values(aws_dynamodb_consumed_read_capacity_units_sum, dimension_table_name)",
            ),
        ],
        rows=[
            _cluster(),
            _workloads(),
            _nodes(),
            _volumes(),
            _network(),
            _dynamodb(),
            _eks_and_load_balancer(),
            _redis(),
            _costs(),
        ],
        since="now-3h",
    )


def _cluster() -> Row:
    return row(
        "Kubernetes cluster health",
        stat(
            "Nodes ready",
            Query('sum(kube_node_status_condition{condition="Ready", status="true"})', "ready"),
            shows="Nodes that accept pods.",
            wrong="Compare with the nodes not ready beside it and with the node group's size.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green")],
            width=4,
            height=5,
        ),
        stat(
            "Nodes not ready",
            Query(
                'sum(kube_node_status_condition{condition="Ready", status=~"false|unknown"}) or vector(0)',
                "not ready",
            ),
            shows="Nodes that have failed or are unreachable.",
            wrong="`kubectl describe node`, then its instance in EC2; its pods move after 5 minutes.",
            unit=units.Short,
            limits=[(None, "green"), (1, "red")],
            width=4,
            height=5,
        ),
        stat(
            "Pods by phase",
            Query(f"sum by (phase) (kube_pod_status_phase{{{POD}}})", "{{phase}}"),
            shows="Pods in each phase now.",
            wrong="Pending: no node has room, or a volume is missing. Failed: `kubectl describe pod`.",
            unit=units.Short,
            limits=NEUTRAL,
            colours=PHASE_COLOURS,
            width=8,
            height=5,
        ),
        stat(
            "Pods not ready",
            Query(
                f"""
                sum(
                  kube_pod_status_ready{{{POD}, condition="true"}} == bool 0
                    and on (namespace, pod)
                  kube_pod_status_phase{{{POD}, phase=~"Pending|Running"}} == 1
                )
                """,
                "not ready",
            ),
            shows="Pods that should be ready but are not: they are starting, fail their readiness probe, or wait for "
            "a node.",
            wrong="`kubectl get pods` shows which. Unschedulable ones are beside it, crashing ones among the restarts.",
            unit=units.Short,
            limits=above(1, 3),
            width=4,
            height=5,
        ),
        stat(
            "Pods without a node",
            Query(f'sum(kube_pod_status_scheduled{{{POD}, condition="false"}})', "unschedulable"),
            shows="Pods that fit on no node.",
            wrong="Add a node or lower requests; `kubectl describe pod` names what is missing.",
            unit=units.Short,
            limits=above(1, 3),
            width=4,
            height=5,
        ),
        timeseries(
            "Pods by phase over time",
            Query(f"sum by (phase) (kube_pod_status_phase{{{POD}}})", "{{phase}}"),
            shows="Pods in each phase.",
            wrong="A rise of pending pods together with the resources requested means that the cluster is full.",
            unit=units.Short,
            colours=PHASE_COLOURS,
            stacked=True,
        ),
        states(
            "Node conditions",
            Query(
                """
                max by (node, condition)
                  (kube_node_status_condition{condition!="Ready", status="true"})
                  or
                max by (node, condition)
                  (kube_node_status_condition{condition="Ready", status=~"false|unknown"})
                """,
                "{{node}} {{condition}}",
            ),
            shows="Each node's conditions; red while memory, disk or process ids are short or the node is not ready.",
            wrong="Pressure evicts pods: free memory or disk below, or add a node.",
            unit=units.Short,
            limits=[(None, "green"), (1, "red")],
            words={0: "fine", 1: "in trouble"},
        ),
        timeseries(
            "Resources requested",
            *(
                Query(
                    f'sum(kube_pod_container_resource_requests{{resource="{resource}"}})'
                    f' / sum(kube_node_status_allocatable{{resource="{resource}"}})',
                    resource,
                )
                for resource in ("cpu", "memory")
            ),
            shows="CPU and memory that all pods have reserved, as a share of what the nodes can give.",
            wrong="Near 100 % new pods stay pending although the nodes look idle: lower requests or add a node.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
        ),
    )


def _workloads() -> Row:
    return row(
        "Workloads",
        table(
            "Replicas of workloads",
            *(
                Query(_replicas(*series), column)
                for column, series in (("Desired", DESIRED), ("Ready", READY), ("Updated", UPDATED))
            ),
            by=["workload"],
            shows="Each Deployment, StatefulSet and DaemonSet: its desired pods, ready pods, and pods of its newest "
            "version.",
            wrong="Fewer ready than desired: see the restarts. Fewer updated for long: a rollout is stuck; "
            "`kubectl rollout status` says why, `kubectl rollout undo` ends it.",
            unit=units.Short,
            decimals=0,
            width=12,
        ),
        timeseries(
            "Replicas missing",
            Query(
                f"{_replicas(*DESIRED)}\n-\n{_replicas(*READY)}",
                "{{workload}}",
            ),
            shows="Desired pods of each workload that are not ready.",
            wrong="Above zero for longer than a rollout: the new pods do not become ready. Do they wait or restart?",
            unit=units.Short,
            limits=above(1, 2),
            width=6,
        ),
        timeseries(
            "Rollouts under way",
            Query(
                f"{_replicas(*DESIRED)}\n-\n{_replicas(*UPDATED)}",
                "{{workload}}",
            ),
            shows="Pods of each workload that are still of an older version, or not made yet.",
            wrong="Above zero for longer than ten minutes: the rollout is stuck. `kubectl rollout undo` goes back.",
            unit=units.Short,
            limits=above(1, 10),
            width=6,
        ),
        stat(
            "Container restarts",
            Query(f"sum(increase(kube_pod_container_status_restarts_total{{{POD}}}[$__range]))", "restarts"),
            shows="Containers restarted in the chosen time range.",
            wrong="Find the container in the bars beside it and read its previous log: `kubectl logs --previous`.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
        ),
        bars(
            "Restarts by container",
            Query(
                f"""
                sort_desc(topk(10, sum by (namespace, container)
                  (increase(kube_pod_container_status_restarts_total{{{POD}}}[$__range]))))
                """,
                "{{namespace}}/{{container}}",
            ),
            shows="The ten containers that restarted most in the chosen time range.",
            wrong="Regular restarts are a crash loop or a memory limit: see memory against limit in System Health.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
        ),
        timeseries(
            "Containers that wait",
            Query(f"sum by (namespace) (kube_pod_container_status_waiting{{{POD}}})", "{{namespace}}"),
            shows="Containers that wait to be started: an image, volume or configuration is missing, or they crashed "
            "and wait for the next attempt.",
            wrong="Longer than a start takes: `kubectl describe pod` names what it waits for.",
            unit=units.Short,
            limits=above(1, 5),
            width=6,
        ),
        timeseries(
            "Containers killed for memory",
            Query(
                f"sum by (instance) (increase(node_vmstat_oom_kill{{{NODE}}}[$__rate_interval]))",
                "{{instance}}",
            ),
            shows="Processes that each node's kernel OOM-killed, most often at a container's limit.",
            wrong="The alert ContainerOomKilled names the container: raise its limit, or find what made it grow.",
            unit=units.Short,
            limits=above(1, 5),
            width=6,
        ),
    )


def _replicas(deployment: str, statefulset: str, daemonset: str) -> str:
    """Pods of every workload by `workload`, its namespace and name, from each kind's series."""
    kinds = {"deployment": deployment, "statefulset": statefulset, "daemonset": daemonset}
    either = "\n    or\n".join(
        f'  label_join(kube_{kind}_{series}{{{POD}}}, "workload", "/", "namespace", "{kind}")'
        for kind, series in kinds.items()
    )
    return f"max by (workload) (\n{either}\n)"


def _nodes() -> Row:
    return row(
        "Nodes",
        timeseries(
            "Node CPU",
            Query(
                f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{NODE}, mode="idle"}}[$__rate_interval]))',
                "{{instance}}",
            ),
            shows="Share of each node's CPU time that is used.",
            wrong="Find the busy pods beside it; a node alone at 100 % holds too many of them.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
            maximum=1,
        ),
        timeseries(
            "Pod CPU",
            Query(
                "topk(10, sum by (namespace, pod) "
                f'(rate(container_cpu_usage_seconds_total{{{POD}, container!=""}}[$__rate_interval])))',
                "{{namespace}}/{{pod}}",
            ),
            shows="CPU cores that the ten busiest pods use.",
            wrong="One pod far above the others: what does it do? System Health shows how far its limit is.",
            unit=units.Short,
        ),
        timeseries(
            "Node memory",
            Query(
                f"1 - node_memory_MemAvailable_bytes{{{NODE}}} / node_memory_MemTotal_bytes{{{NODE}}}",
                "{{instance}}",
            ),
            shows="Share of each node's memory that is in use and cannot be freed.",
            wrong="Above 90 % pods are evicted, then killed: see which pods grow, beside it.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            maximum=1,
        ),
        timeseries(
            "Pod memory",
            Query(
                f'topk(10, sum by (namespace, pod) (container_memory_working_set_bytes{{{POD}, container!=""}}))',
                "{{namespace}}/{{pod}}",
            ),
            shows="Memory in use by the ten largest pods.",
            wrong="A steady climb is a leak; System Health shows how far the limit is.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Node disk",
            Query(
                f"""
                max by (instance, device) (
                  1 - node_filesystem_avail_bytes{{{DISK}}} / node_filesystem_size_bytes{{{DISK}}}
                )
                """,
                "{{instance}} {{device}}",
            ),
            shows="Share of each node's filesystems that is used.",
            wrong="Above 85 % images are removed, above 90 % pods are evicted: find large logs or grow the disk.",
            unit=units.PercentUnit,
            limits=above(0.85, 0.9),
            maximum=1,
        ),
        timeseries(
            "Disk throughput",
            Query(
                f"sum by (instance) (rate(node_disk_read_bytes_total{{{NODE}}}[$__rate_interval]))",
                "{{instance}} read",
            ),
            Query(
                f"sum by (instance) (rate(node_disk_written_bytes_total{{{NODE}}}[$__rate_interval]))",
                "{{instance}} written",
            ),
            shows="Bytes per second that each node reads from and writes to its disks.",
            wrong="At the volume type's limit everything on the node waits: see which pod writes, or raise the limit.",
            unit=units.BytesPerSecondIEC,
        ),
    )


def _volumes() -> Row:
    used = "persistentvolumeclaim:kubelet_volume_used:ratio"  # few, and most are the monitoring's: all are shown
    return row(
        "Volumes",
        bars(
            "Persistent volumes",
            Query(used, "{{namespace}}/{{persistentvolumeclaim}}"),
            shows="Share of each persistent volume that is used.",
            wrong="Prometheus keeps itself below 90 %. Others near full: shorten the retention or grow the claim "
            "before it stops writing.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        timeseries(
            "Persistent volumes over time",
            Query(used, "{{namespace}}/{{persistentvolumeclaim}}"),
            shows="Share of each persistent volume that was used.",
            wrong="A line steeper than before: more series or more logs; the one that grew names the cause.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        timeseries(
            "Files on persistent volumes",
            Query(
                """
                max by (namespace, persistentvolumeclaim) (
                  1 - kubelet_volume_stats_inodes_free / kubelet_volume_stats_inodes
                )
                """,
                "{{namespace}}/{{persistentvolumeclaim}}",
            ),
            shows="Share of the files (inodes) that each persistent volume can hold. Without free ones it is full, "
            "whatever its bytes.",
            wrong="Very many small files: delete what is not needed; a volume's number of files cannot be raised.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.97),
            maximum=1,
        ),
    )


def _network() -> Row:
    return row(
        "Network performance and latency",
        timeseries(
            "Node traffic",
            *(
                Query(
                    "sum by (instance) "
                    f"(rate(node_network_{way}_bytes_total{{{NODE}, {REAL_DEVICE}}}[$__rate_interval]))",
                    f"{{{{instance}}}} {way}",
                )
                for way in ("receive", "transmit")
            ),
            shows="Bytes per second that each node receives and sends.",
            wrong="Near the instance type's bandwidth everything slows: spread the pods or take a larger type.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Pod traffic",
            *(
                Query(
                    "topk(8, sum by (namespace, pod) "
                    f"(rate(container_network_{way}_bytes_total{{{POD}}}[$__rate_interval])))",
                    f"{{{{namespace}}}}/{{{{pod}}}} {way}",
                )
                for way in ("receive", "transmit")
            ),
            shows="Bytes per second of the eight pods that receive and the eight that send most.",
            wrong="A pod that sends far more than it used to: large answers, a retry loop, or data leaving.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Network errors and drops",
            *(
                Query(
                    "sum by (instance) "
                    f"(rate(node_network_{way}_{fault}_total{{{NODE}, {REAL_DEVICE}}}[$__rate_interval]))",
                    f"{{{{instance}}}} {way} {fault}",
                )
                for way in ("receive", "transmit")
                for fault in ("errs", "drop")
            ),
            shows="Packets per second that each node's network devices failed or dropped.",
            wrong="Steady drops: the instance's allowance is exceeded, or its queue is too short.",
            unit=units.PacketsPerSecond,
        ),
        timeseries(
            "TCP retransmissions",
            Query(
                f"""
                rate(node_netstat_Tcp_RetransSegs{{{NODE}}}[$__rate_interval])
                  /
                rate(node_netstat_Tcp_OutSegs{{{NODE}}}[$__rate_interval])
                """,
                "{{instance}}",
            ),
            shows="Share of sent TCP segments that had to be sent again.",
            wrong="Above 1 % connections stall: look for drops beside it, or for a distant party that is overloaded.",
            unit=units.PercentUnit,
            limits=above(0.01, 0.05),
            width=12,
        ),
        timeseries(
            "Connections tracked",
            Query(
                f"""
                max by (instance) (
                  node_nf_conntrack_entries{{{NODE}}} / node_nf_conntrack_entries_limit{{{NODE}}}
                )
                """,
                "{{instance}}",
            ),
            shows="Connections tracked by each node's kernel, as a share of its limit.",
            wrong="When the table is full, the node drops new connections at random, name look-ups first: find the "
            "pod that opens them.",
            unit=units.PercentUnit,
            limits=above(0.75, 0.9),
            maximum=1,
            width=12,
        ),
        timeseries(
            "Probe duration",
            Query(
                'max by (service) (probe_duration_seconds{job="service-probes"})',
                "{{service}}",
            ),
            shows="Round trip inside the cluster to each service's health endpoint: the network plus a static answer.",
            wrong="All services slower: DNS or the network. One alone: click on its line for its detail.",
            unit=units.Seconds,
            limits=above(1, 5),
            drill=to_service(),
            width=12,
        ),
        timeseries(
            "Probe phases",
            Query(
                'max by (phase) (probe_http_duration_seconds{job="service-probes"})',
                "{{phase}}",
            ),
            shows="Where the slowest probe of a health endpoint spends its time: looking up the name (resolve), "
            "connecting, waiting for the answer (processing), reading it (transfer).",
            wrong="resolve: CoreDNS is slow or loses packets. connect: the network. processing: the service itself.",
            unit=units.Seconds,
            limits=above(0.5, 1),
            width=12,
        ),
    )


def _aws_row(title: str, *panels: model.Panel) -> Row:
    return row(title, *where_there_is("a stack with AWS", *panels))


def _dynamodb() -> Row:
    return _aws_row(
        "DynamoDB",
        timeseries(
            "DynamoDB consumed capacity",
            *(
                Query(
                    f"sum by (dimension_table_name) (aws_dynamodb_consumed_{kind}_capacity_units_sum{{{TABLE}}})"
                    f" / {CLOUDWATCH_PERIOD}",
                    f"{{{{dimension_table_name}}}} {kind}",
                )
                for kind in ("read", "write")
            ),
            shows="Capacity units per second that reads and writes of each table use. On demand, this is the bill. "
            f"{NAMED_SUM}",
            wrong="Rising without traffic: a scan, or a missing cache. Compare with the request rate.",
            unit=units.OpsPerSecond,
            width=12,
        ),
        timeseries(
            "DynamoDB latency",
            Query(
                f"avg by (dimension_table_name, dimension_operation) "
                f"(aws_dynamodb_successful_request_latency_average{{{TABLE}}})",
                "{{dimension_table_name}} {{dimension_operation}}",
            ),
            shows=f"Average time of DynamoDB's successful answers, by table and operation. {NAMED_LATE}",
            wrong="Single items over 20 ms: large items or a hot key. Queries over 100 ms: too many rows are read.",
            unit=units.Milliseconds,
            limits=above(20, 100),
            width=12,
        ),
        timeseries(
            "DynamoDB throttled requests",
            Query(_by_table("throttled_requests"), "{{dimension_table_name}} requests"),
            Query(_by_table("read_throttle_events"), "{{dimension_table_name}} reads"),
            Query(_by_table("write_throttle_events"), "{{dimension_table_name}} writes"),
            shows=f"Requests that DynamoDB throttled in {CLOUDWATCH_PERIOD // 60} min, and the reads and writes in "
            f"them. {NAMED_SUM}",
            wrong="A hot key or a table's limit: for how long, and does the traffic explain it? Clients retry several "
            "times, so users first notice slowness.",
            unit=units.Short,
            limits=above(1, 10),
            width=12,
        ),
        timeseries(
            "DynamoDB errors",
            Query(_by_table("system_errors"), "{{dimension_table_name}}"),
            shows=f"Requests that DynamoDB itself failed in {CLOUDWATCH_PERIOD // 60} min (HTTP 500). {NAMED_SUM}",
            wrong="Check the AWS Health Dashboard; the only remedy is to wait and retry.",
            unit=units.Short,
            limits=above(1, 10),
            width=12,
        ),
    )


def _by_table(figure: str) -> str:
    # DynamoDB sends no figure for nothing: a table with answered requests had 0.
    return f"""
    sum by (dimension_table_name) (aws_dynamodb_{figure}_sum{{{TABLE}}})
      or
    0 * sum by (dimension_table_name) (aws_dynamodb_successful_request_latency_sample_count{{{TABLE}}})
    """


def _eks_and_load_balancer() -> Row:
    return _aws_row(
        "EKS control plane and load balancer",
        timeseries(
            "EKS API requests",
            Query(
                f"sum by (dimension_cluster_name) (aws_eks_apiserver_request_total_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_cluster_name}} requests",
            ),
            Query(
                f"sum by (dimension_cluster_name) (aws_eks_apiserver_request_total_5_xx_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_cluster_name}} 5xx",
            ),
            shows="Requests per second to the cluster's API server, and those it answered with a 5xx status. "
            f"{NAMED_SUM}",
            wrong="5xx answers: a control plane update, or a webhook that fails. A flood: a controller in a loop.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "EKS API latency",
            Query(
                "max by (dimension_cluster_name) (aws_eks_apiserver_request_duration_seconds_get_p99_average)",
                "{{dimension_cluster_name}}",
            ),
            shows="99 % of the reads of single objects were answered by the cluster's API server within this time. "
            f"{NAMED_LATE}",
            wrong="Above 1 s everything in the cluster is late: a flood of requests beside it, or a busy control "
            "plane, which AWS enlarges by itself within minutes.",
            unit=units.Seconds,
            limits=above(0.5, 1),
        ),
        timeseries(
            "EKS control plane storage",
            Query(
                "max by (dimension_cluster_name) (aws_eks_apiserver_storage_size_bytes_maximum)",
                "{{dimension_cluster_name}}",
            ),
            shows="Size of the control plane's database. At 8 GiB the cluster becomes read-only.",
            wrong="Find the kind of object that grows, often Events or Helm release Secrets, and delete the old ones.",
            unit=units.BytesIEC,
            limits=above(4 * 2**30, 6 * 2**30),
        ),
        timeseries(
            "Load balancer flows",
            Query(
                "sum by (dimension_load_balancer) (aws_networkelb_active_flow_count_average)",
                "{{dimension_load_balancer}}",
            ),
            shows=f"Connections open through the network load balancer. {FOUND_LATE}",
            wrong="None while users are active: check its target health and DNS. A flood: see the gateway's request "
            "rate.",
            unit=units.Short,
        ),
        timeseries(
            "Load balancer traffic",
            Query(
                f"sum by (dimension_load_balancer) (aws_networkelb_processed_bytes_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_load_balancer}}",
            ),
            shows=f"Bytes per second through the network load balancer, both ways. {FOUND_LATE}",
            wrong="More bytes for the same requests: an answer has grown, or files are being fetched.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Load balancer resets",
            *(
                Query(
                    f"sum by (dimension_load_balancer) (aws_networkelb_tcp_{party}_reset_count_sum)",
                    f"{{{{dimension_load_balancer}}}} by the {name}",
                )
                for party, name in (("elb", "load balancer"), ("target", "target"))
            ),
            shows=f"Connections broken off in {CLOUDWATCH_PERIOD // 60} min, by the load balancer or by the gateway "
            f"behind it. {FOUND_LATE}",
            wrong="By the load balancer: its target is unhealthy, or connections were idle for too long. By the "
            "target: the gateway restarts or refuses.",
            unit=units.Short,
            limits=above(50, 500),
        ),
    )


def _redis() -> Row:
    answers = timeseries(
        "Redis answers",
        Query('max by (instance) (probe_success{job="redis-probe"})', "{{instance}}"),
        shows="Whether Redis answered PING when the prober asked: 1 if it did, 0 if it did not or refused.",
        wrong="0: Redis is down, serves no commands or cannot be reached by the prober; see RedisDown.",
        unit=units.Short,
        limits=[(None, "red"), (1, "green")],
        maximum=1,
        width=24,
        height=5,
    )
    of_aws = (
        timeseries(
            "Redis CPU and memory",
            *(
                Query(f"max by (dimension_cache_cluster_id) (aws_elasticache_{series}_average)", legend)
                for series, legend in (
                    ("cpuutilization", "{{dimension_cache_cluster_id}} CPU"),
                    ("engine_cpuutilization", "{{dimension_cache_cluster_id}} engine"),
                    ("database_memory_usage_percentage", "{{dimension_cache_cluster_id}} memory"),
                )
            ),
            shows="CPU and memory that ElastiCache uses. The engine is the one thread that runs all commands: it is "
            f"full when a host of two CPUs looks half idle. {FOUND_LATE}",
            wrong="Memory near 100 % evicts sessions and rate limits: raise the node type or shorten expiry. Engine: "
            "look for slow commands.",
            unit=units.Percent,
            limits=above(75, 90),
            maximum=100,
            width=8,
        ),
        timeseries(
            "Redis connections",
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_curr_connections_average)",
                "{{dimension_cache_cluster_id}}",
            ),
            shows=f"Open connections. AWS itself always holds a few. {FOUND_LATE}",
            wrong="Only climbing: a service does not return them to its pool. None: Redis is down or unreachable.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green"), (10_000, "orange")],
        ),
        timeseries(
            "Redis evictions",
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_evictions_sum)",
                "{{dimension_cache_cluster_id}}",
            ),
            shows=f"Keys evicted in {CLOUDWATCH_PERIOD // 60} min because memory ran out. {FOUND_LATE}",
            wrong="Any eviction means that memory is short: sessions and rate limits vanish. Raise the node type.",
            unit=units.Short,
            limits=above(1, 100),
        ),
    )
    return row(
        "Redis", *where_there_is("a stack with redis.address", answers), *where_there_is("a stack with AWS", *of_aws)
    )


def _costs() -> Row:
    by_service = f"max by (dimension_service_name) (aws_billing_estimated_charges_maximum{{{BILLED_SERVICE}}})"
    # In a month's first hours nothing is billed yet, and nothing times any pace is nothing.
    pace = f"on () group_left () (max({FORECAST} / (aws:month_charges:usd > 0)) or vector(1))"
    return _aws_row(
        "AWS costs",
        stat(
            "Charges this month",
            Query("aws:month_charges:usd", "total"),
            shows="AWS's own estimate of this month's charges so far, for the whole account. Updated every few hours.",
            wrong="See which service grew in the table beside it, then Cost Explorer for the resource.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=4,
        ),
        stat(
            "Charges at month's end",
            Query(FORECAST, "expected"),
            shows="The month's charges if the remaining days cost as much as those so far. In the first week, which "
            "is too short for a forecast, only the charges so far.",
            wrong="Compare with the budget, and with the service that grew in the table beside it.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=4,
        ),
        stat(
            "Share of the budget",
            Query(
                f"{FORECAST} / on () group_left () aws:monthly_budget:usd\nor\n"
                "(0 * aws:month_charges:usd - 1 unless on () aws:monthly_budget:usd)",
                "of the budget",
            ),
            shows="The charges expected at the month's end, in its first week those so far, as a share of the stack's "
            "monthly budget.",
            wrong="Above 100 % the budget will be exceeded: find the service that grew in the table beside it, and "
            "inform the budget's owner. Without a budget set `aws.monthlyBudgetUsd` in the stack's settings.",
            unit=units.PercentUnit,
            decimals=0,
            limits=BUDGET_NEEDED,
            words={-1: "No budget"},
            width=4,
        ),
        table(
            "Cost by service",
            Query(f"sort_desc({by_service})", "So far"),
            Query(f"{by_service} * {pace}", "At month's end"),
            by=["dimension_service_name"],
            shows="This month's charges so far by AWS service, and the forecast for its end at the same rate. In the "
            "first week both are the same.",
            wrong="A service in use by mistake: find its resources in Cost Explorer and remove them.",
            unit=units.Dollars,
            width=12,
        ),
        timeseries(
            "Cost against budget",
            Query(
                """
                label_replace(max(aws:month_charges:usd), "what", "so far", "", "")
                  or
                label_replace(max(aws:month_forecast:usd), "what", "expected at month's end", "", "")
                  or
                label_replace(max(aws:monthly_budget:usd), "what", "budget", "", "")
                """,
                "{{what}}",
            ),
            shows="The month's accumulated charges, the forecast at this rate (none in the first week), and the "
            "budget, if set.",
            wrong="Expected above the budget: look for a change at the time when the line turned steeper.",
            unit=units.Dollars,
            colours={"budget": "red"},
            width=12,
        ),
        timeseries(
            "Cost by service over time",
            Query(by_service, "{{dimension_service_name}}"),
            shows="The month's accumulated charges by AWS service; back to zero on the first of the month.",
            wrong="A line that turns steeper shows when a cost began: look for a change on that day.",
            unit=units.Dollars,
            stacked=True,
            width=12,
        ),
    )
