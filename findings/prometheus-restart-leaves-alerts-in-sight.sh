#!/bin/sh
# Prometheus 3.14.0: after a restart a query for `ALERTS{alertstate="firing"}` finds an alert that no longer fires, for
# five minutes, while `/api/v1/alerts` says rightly that there is none.
#
# An alert that ends takes its ALERTS series with it at once, by a staleness marker. A restart ends alerts, too: one that
# only `keep_firing_for` kept is forgotten (prometheus #13957), and one with a short `for` is pending anew. But nothing
# marks the series of rules stale at a shutdown, and the new process does not know of them; so the last sample is in
# sight for as long as any, the lookback of five minutes. Rules that read ALERTS, such as `symptom unless ALERTS{…}`, go
# on as if the cause fired, which may be what one wants; a dashboard's list of firing alerts shows ghosts; and a page
# that a rule derives from ALERTS outlives the restart where the alert itself does not.
#
# Seen: kept firing: both say one; restarted: the alerts none, the query one; without a restart, when an alert ends: both
#       none. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go mod init example.com/play 2>/dev/null
go get github.com/prometheus/prometheus@v0.314.0 2>/dev/null
go build -tags remove_all_sd -o "$GOBIN/prometheus" github.com/prometheus/prometheus/cmd/prometheus
cat > play.py <<'PYTHON'
import http.server, json, subprocess, sys, time, urllib.parse, urllib.request


def ask(path):
    with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
        return json.load(answer)["data"]


def seen(name):
    """How many of an alert fire, as Prometheus lists them and as the query finds them."""
    listed = [each for each in ask("/api/v1/alerts")["alerts"] if each["labels"]["alertname"] == name]
    query = urllib.parse.quote(f'ALERTS{{alertstate="firing", alertname="{name}"}}')
    return len(listed), len(ask(f"/api/v1/query?query={query}")["result"])


def started():
    places = ["--config.file=prometheus.json", "--storage.tsdb.path=data", f"--web.listen-address={url[7:]}"]
    process = subprocess.Popen([sys.argv[1], *places], stderr=open("log", "a"))
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(5)  # several evaluations
    return process


def ended(process):
    process.terminate()
    process.wait()


probe = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
url = f"http://127.0.0.1:{probe.server_port}"
probe.server_close()
until = time.time() + 20
rules = [
    {"alert": "Kept", "expr": f"vector(time()) < {until}", "keep_firing_for": "1h"},
    {"alert": "Ends", "expr": f"vector(time()) < {until}"},
]
with open("rules.json", "w") as file:
    json.dump({"groups": [{"name": "rules", "rules": rules}]}, file)
with open("prometheus.json", "w") as file:
    json.dump({"global": {"evaluation_interval": "1s"}, "rule_files": ["rules.json"]}, file)

process = started()
try:
    fires = seen("Kept"), seen("Ends")
    time.sleep(max(0, until - time.time()) + 3)
    over = seen("Kept"), seen("Ends")
finally:
    ended(process)
process = started()
try:
    restarted = seen("Kept"), seen("Ends")
finally:
    ended(process)
print(f"listed and found by the query, of an alert that is kept firing and of one that is not, while they fire: {fires}")
print(f"when their condition is over: {over}; after a restart: {restarted}")
sys.exit((fires, over, restarted) != (((1, 1), (1, 1)), ((1, 1), (0, 0)), ((0, 1), (0, 0))))
PYTHON
python3 play.py "$GOBIN/prometheus" || { echo "ALERTS does not outlive a restart now" >&2; exit 1; }
