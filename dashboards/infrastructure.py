"""Infrastructure: is the cluster healthy, what do AWS's services do and cost, and where does room run out?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import NEUTRAL, Query, above, bars, stat, states, timeseries, to_service

NODE = 'job="node-exporter", instance=~"$instance"'
POD = 'namespace=~"$namespace"'
TABLE = 'dimension_table_name=~"$table"'

REAL_DEVICE = 'device!~"lo|veth.*|cali.*|cni.*|eni.*|docker.*|br-.*"'
"""Network devices that carry a node's own traffic; pod interfaces would count the same bytes again."""

DISK = f'{NODE}, fstype=~"btrfs|ext4|xfs|zfs"'
"""Filesystems that can fill up; the alert on disks looks at the same."""

CLOUDWATCH_PERIOD = 300
"""Seconds that one CloudWatch sum covers; dividing by it gives a rate."""


def build(catalogue: Catalogue) -> Dashboard:
    """The dashboard; it is about the whole cluster, so the catalogue is not used."""
    del catalogue
    return board.dashboard(
        "infrastructure",
        "Infrastructure",
        "Kubernetes cluster, AWS services and their costs, network, storage and memory under the order processor.",
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
        rows=[_cluster(), _aws(), _costs(), _network(), _storage_and_memory()],
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
            shows="Nodes that have failed or are out of reach.",
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
            colours={"Running": "green", "Pending": "orange", "Failed": "red", "Unknown": "red"},
            width=12,
            height=5,
        ),
        stat(
            "Container restarts",
            Query(
                f"sum(increase(kube_pod_container_status_restarts_total{{{POD}}}[$__range]))",
                "restarts",
            ),
            shows="Containers restarted in the chosen time range.",
            wrong="Find the container in the graph below and read its previous log: `kubectl logs --previous`.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
            height=5,
        ),
        timeseries(
            "Pods by phase over time",
            Query(f"sum by (phase) (kube_pod_status_phase{{{POD}}})", "{{phase}}"),
            shows="Pods in each phase.",
            wrong="A rise of pending pods together with node CPU requested means that the cluster is full.",
            unit=units.Short,
            colours={"Running": "green", "Pending": "orange", "Failed": "red", "Unknown": "red"},
            stacked=True,
        ),
        timeseries(
            "Restarts by container",
            Query(
                f"""
                topk(10, sum by (namespace, container)
                  (increase(kube_pod_container_status_restarts_total{{{POD}}}[$__rate_interval])) > 0)
                """,
                "{{namespace}}/{{container}}",
            ),
            shows="The ten containers that restarted most, at the moment they did.",
            wrong="Regular restarts are a crash loop or a memory limit: see memory against limit in System Health.",
            unit=units.Short,
            empty="No container has restarted",
        ),
        timeseries(
            "Deployment replicas missing",
            Query(
                f"""
                sum by (namespace, deployment) (kube_deployment_spec_replicas{{{POD}}})
                  -
                sum by (namespace, deployment) (kube_deployment_status_replicas_available{{{POD}}})
                """,
                "{{namespace}}/{{deployment}}",
            ),
            shows="Replicas that each deployment wants and does not have.",
            wrong="Above zero for longer than a rollout: the new pods do not become ready.",
            unit=units.Short,
            limits=above(1, 2),
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
            width=12,
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
            width=6,
        ),
        timeseries(
            "Node CPU",
            Query(
                f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{NODE}, mode="idle"}}[$__rate_interval]))',
                "{{instance}}",
            ),
            shows="Share of each node's CPU time that is used.",
            wrong="Find the busy pods in System Health; a node alone at 100 % holds too many of them.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
            maximum=1,
            width=6,
        ),
    )


def _aws() -> Row:
    return row(
        "AWS services",
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
            shows="Capacity units per second that reads and writes of each table use. On demand, this is the bill.",
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
            shows="Average time of DynamoDB's successful answers, by table and operation. CloudWatch is minutes late.",
            wrong="Single items over 20 ms: large items or a hot key. Queries over 100 ms: too many rows are read.",
            unit=units.Milliseconds,
            limits=above(20, 100),
            width=12,
        ),
        timeseries(
            "DynamoDB throttled requests and errors",
            Query(
                f"sum by (dimension_table_name) (aws_dynamodb_throttled_requests_sum{{{TABLE}}})",
                "{{dimension_table_name}} throttled",
            ),
            Query(
                f"sum by (dimension_table_name) (aws_dynamodb_system_errors_sum{{{TABLE}}})",
                "{{dimension_table_name}} system errors",
            ),
            shows=f"Requests per {CLOUDWATCH_PERIOD // 60} min that DynamoDB refused for lack of capacity, or failed.",
            wrong="Throttled: a hot key or a table limit. System errors: check the AWS Health Dashboard.",
            unit=units.Short,
            limits=above(1, 100),
        ),
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
            shows="Requests per second to the cluster's API server, and those it answered with a 5xx status.",
            wrong="5xx answers: a control plane update, or a webhook that fails. A flood: a controller in a loop.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "EKS unschedulable pods",
            Query(
                "max by (dimension_cluster_name) (aws_eks_scheduler_pending_pods_unschedulable_sum)",
                "{{dimension_cluster_name}}",
            ),
            shows="Pods that the scheduler finds no node for.",
            wrong="Add a node or lower requests; `kubectl describe pod` names what is missing.",
            unit=units.Short,
            limits=above(1, 5),
            width=4,
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
            width=4,
        ),
        timeseries(
            "Load balancer flows",
            Query(
                "sum by (dimension_load_balancer) (aws_networkelb_active_flow_count_average)",
                "{{dimension_load_balancer}}",
            ),
            shows="Connections open through the network load balancer.",
            wrong="None with users about: check its target health and DNS. A flood: see the gateway's request rate.",
            unit=units.Short,
            width=6,
        ),
        timeseries(
            "Load balancer traffic",
            Query(
                f"sum by (dimension_load_balancer) (aws_networkelb_processed_bytes_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_load_balancer}}",
            ),
            shows="Bytes per second through the network load balancer, both ways.",
            wrong="More bytes for the same requests: an answer has grown, or files are being fetched.",
            unit=units.BytesPerSecondIEC,
            width=6,
        ),
        timeseries(
            "Redis CPU and memory",
            Query(
                "max by (dimension_cache_cluster_id) (aws_elasticache_cpuutilization_average)",
                "{{dimension_cache_cluster_id}} CPU",
            ),
            Query(
                "max by (dimension_cache_cluster_id) (aws_elasticache_database_memory_usage_percentage_average)",
                "{{dimension_cache_cluster_id}} memory",
            ),
            shows="CPU and memory that ElastiCache uses.",
            wrong="Memory near 100 % evicts sessions and rate limits: raise the node type or shorten expiry.",
            unit=units.Percent,
            limits=above(75, 90),
            maximum=100,
            width=6,
        ),
        timeseries(
            "Redis connections and evictions",
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_curr_connections_average)",
                "{{dimension_cache_cluster_id}} connections",
            ),
            Query(
                "sum by (dimension_cache_cluster_id) (aws_elasticache_evictions_sum)",
                "{{dimension_cache_cluster_id}} evictions",
            ),
            shows=f"Open connections, and keys evicted for lack of memory in {CLOUDWATCH_PERIOD // 60} minutes.",
            wrong="Connections that only climb are not returned to the pool; any eviction means that memory is short.",
            unit=units.Short,
            width=6,
        ),
    )


def _costs() -> Row:
    total = 'max(aws_billing_estimated_charges_maximum{dimension_service_name=""})'
    return row(
        "AWS costs",
        stat(
            "Charges this month",
            Query(total, "total"),
            shows="AWS's own estimate of this month's charges so far, for the whole account. Updated every few hours.",
            wrong="See which service grew in the bars beside it, then Cost Explorer for the resource.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=4,
        ),
        stat(
            "Charges at month's end",
            Query(
                # Days of the month that have passed, at least one: on the first day there is too little to go by.
                f"{total} / clamp_min(day_of_month() - 1 + hour() / 24, 1) * days_in_month()",
                "expected",
            ),
            shows="The month's charges if its other days cost as much as those so far. In UTC, as AWS bills.",
            wrong="Compare with the budget; the first days of a month carry fixed charges and overstate it.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=4,
        ),
        bars(
            "Cost by service",
            Query(
                "sort_desc(topk(12, max by (dimension_service_name) "
                '(aws_billing_estimated_charges_maximum{dimension_service_name!=""})))',
                "{{dimension_service_name}}",
            ),
            shows="This month's charges so far, by AWS service: the twelve dearest.",
            wrong="A service that nobody uses on purpose: find its resources in Cost Explorer and remove them.",
            unit=units.Dollars,
            limits=NEUTRAL,
        ),
        timeseries(
            "Cost by service over time",
            Query(
                'max by (dimension_service_name) (aws_billing_estimated_charges_maximum{dimension_service_name!=""})',
                "{{dimension_service_name}}",
            ),
            shows="The month's charges as they add up, by AWS service; back to zero on the first of the month.",
            wrong="A line that turns steeper shows when a cost began: look for a change on that day.",
            unit=units.Dollars,
            stacked=True,
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
        ),
        timeseries(
            "Probe duration",
            Query(
                'max by (service) (probe_duration_seconds{job="service-probes"})',
                "{{service}}",
            ),
            shows="Round trip inside the cluster to each service's health endpoint: the network plus a static answer.",
            wrong="All services slower: DNS or the network. One: see System Health by a click on its line.",
            unit=units.Seconds,
            drill=to_service(),
        ),
        timeseries(
            "Request rate by service",
            Query("service:http_requests:rate5m", "{{service}}"),
            shows="Requests per second that each service answered, to set the traffic above against.",
            wrong="Traffic that grows without requests does not come from users.",
            unit=units.RequestsPerSecond,
            drill=to_service(),
        ),
    )


def _storage_and_memory() -> Row:
    return row(
        "Storage and memory utilisation",
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
        bars(
            "Persistent volumes",
            Query(
                f"""
                max by (namespace, persistentvolumeclaim) (
                  kubelet_volume_stats_used_bytes{{{POD}}} / kubelet_volume_stats_capacity_bytes{{{POD}}}
                )
                """,
                "{{namespace}}/{{persistentvolumeclaim}}",
            ),
            shows="Share of each persistent volume that is used.",
            wrong="Prometheus or Loki near full: shorten the retention or grow the claim before it stops writing.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        timeseries(
            "Persistent volumes over time",
            Query(
                f"max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_used_bytes{{{POD}}})",
                "{{namespace}}/{{persistentvolumeclaim}}",
            ),
            shows="Bytes used on each persistent volume.",
            wrong="A line steeper than before: more series or more logs; the one that grew names the cause.",
            unit=units.BytesIEC,
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
