#!/bin/sh
# The CloudWatch exporter 0.67.0 (YACE) asks for the figures of a static job, whose resources are named, up to this moment,
# whatever `delay` says of the metric; and a static job has no `delay` of its own to say it with.
#
# CloudWatch completes a period's figure a minute or two after its end, so that sums of the newest period are too small.
# `delay: 120` is the way out for resources that are found by their tags, and is taken there: the window ends two minutes
# ago. Of a named one the configuration is accepted as well, and only a line of the log says that the delay is ignored.
# The documentation gives `delay` to each metric, as one that overrides the job's. Ratios of two sums are not harmed;
# what compares a sum with a bound must allow for what is missing.
#
# Seen: named: the window ends 0 s ago with `delay: 120` as without; found by tag: 120 s ago or more. Exits with 1 if that
# changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go mod init finding 2>&1
go mod edit -require github.com/prometheus-community/yet-another-cloudwatch-exporter@v0.67.0
go build -o yace github.com/prometheus-community/yet-another-cloudwatch-exporter/cmd/yace
go version -m yace | grep 'yet-another-cloudwatch-exporter[[:space:]]*v0.67.0'
cat > play.py <<'PYTHON'
import http.server, json, os, re, socket, struct, subprocess, sys, threading, time

IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::123456789012:user/a</Arn><UserId>a</UserId><Account>123456789012</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
ALIASES = (
    '<ListAccountAliasesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListAccountAliasesResult>'
    "<IsTruncated>false</IsTruncated><AccountAliases/></ListAccountAliasesResult></ListAccountAliasesResponse>"
)
FOUND = {
    "ResourceTagMappingList": [
        {"ResourceARN": "arn:aws:elasticache:us-west-2:123456789012:cluster:redis-001", "Tags": [{"Key": "a", "Value": "b"}]}
    ]
}
METRIC = "name: SystemErrors, statistics: [Sum], period: 300, length: 600"
CONFIGURATION = """
apiVersion: v1alpha1
sts-region: us-west-2
static:
  - name: table
    namespace: AWS/DynamoDB
    regions: [us-west-2]
    dimensions: [{name: TableName, value: orders}]
    metrics: [{%s}]
"""
FOUND_BY_TAG = """
apiVersion: v1alpha1
sts-region: us-west-2
discovery:
  jobs:
    - type: AWS/ElastiCache
      regions: [us-west-2]
      delay: 120
      period: 300
      length: 600
      searchTags: [{key: a, value: b}]
      metrics: [{name: Evictions, statistics: [Sum]}]
"""
METRICS = {"Metrics": [{"Namespace": "AWS/ElastiCache", "MetricName": "Evictions", "Dimensions": [{"Name": "CacheClusterId", "Value": "redis-001"}]}]}


def cbor(value):
    """What CloudWatch's protocol writes of maps, lists and texts."""
    def head(kind, number):
        return bytes([kind << 5 | number]) if number < 24 else bytes([kind << 5 | 24, number])
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(3, len(value)) + value.encode()


class Aws(http.server.BaseHTTPRequestHandler):
    ends = []
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        kind, answer = "text/xml", b""
        for moment in re.findall(rb"EndTime\xc1\xfb(.{8})", body, re.DOTALL):
            self.ends.append(time.time() - struct.unpack(">d", moment)[0])
        if b"GetCallerIdentity" in body:
            answer = IDENTITY.encode()
        elif b"ListAccountAliases" in body:
            answer = ALIASES.encode()
        elif "GetResources" in self.headers.get("x-amz-target", ""):
            kind, answer = "application/x-amz-json-1.1", json.dumps(FOUND).encode()
        elif self.path.endswith("ListMetrics"):
            kind, answer = "application/cbor", cbor(METRICS)
        self.send_response(200 if answer else 400)
        self.send_header("content-type", kind)
        self.send_header("smithy-protocol", "rpc-v2-cbor")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_):
        pass


def asked(configuration):
    """How many seconds ago the window ended that was asked for, and what the log says of the delay."""
    Aws.ends.clear()
    with open("yace.yaml", "w") as file:
        file.write(configuration)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Aws)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-west-2", "AWS_EC2_METADATA_DISABLED": "true",
    }
    log = open("yace.log", "w+")
    command = [sys.argv[1], "--config.file=yace.yaml", f"--listen-address={address}"]
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not Aws.ends and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait()
        server.shutdown()
    log.seek(0)
    return round(max(Aws.ends)) if Aws.ends else None, "ignored" in log.read()


named, named_said = asked(CONFIGURATION % METRIC)
delayed, delayed_said = asked(CONFIGURATION % f"{METRIC}, delay: 120")
found, _ = asked(FOUND_BY_TAG)
print(f"named: {named} s ago; with delay: 120: {delayed} s ago, and the log says so: {delayed_said}; found by tag: {found} s ago")
ok = None not in (named, delayed, found) and max(named, delayed) < 20 and not named_said and delayed_said and found >= 120
sys.exit(0 if ok else 1)
PYTHON
python3 play.py ./yace || { echo "YACE no longer ignores the delay of a named metric, or does so unsaid" >&2; exit 1; }
