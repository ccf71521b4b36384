#!/bin/sh
# Alertmanager 0.31.1 reads each of PagerDuty's `details`, once its template is written, as YAML: a sentence with a colon
# reaches the incident as an object, and a number as a number.
#
# A value that is no YAML stays text, so that one sentence of an alert arrives as it is and the next one does not: who
# reads `custom_details.description` gets {"order-service is down": "no target answers"}. An empty value is null. A first
# line that is a sentence without a colon keeps the whole value text. Nothing is logged.
#
# Seen: the four kinds below. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go install github.com/prometheus/alertmanager/cmd/alertmanager@v0.31.1
"$GOBIN/alertmanager" --version 2>&1 | grep '^alertmanager'
cat > play.py <<'PYTHON'
import http.server, json, subprocess, sys, threading, time, urllib.request

SENT = {
    "colon": "order-service is down: no target answers",
    "number": "0012",
    "empty": "",
    "below": "A service is down.\norder-service is down: no target answers",
}
SEEN = {
    "colon": {"order-service is down": "no target answers"},
    "number": 10,
    "empty": None,
    "below": SENT["below"],
}
received = []


class PagerDuty(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), PagerDuty)
threading.Thread(target=server.serve_forever, daemon=True).start()
probe = http.server.HTTPServer(("127.0.0.1", 0), PagerDuty)
url = f"http://127.0.0.1:{probe.server_port}"
probe.server_close()
details = {name: f'{{{{ printf "%s" `{text}` }}}}' for name, text in SENT.items()}
pagerduty = {"routing_key": "k", "url": f"http://127.0.0.1:{server.server_port}/", "details": details}
configuration = {
    "route": {"receiver": "people", "group_wait": "0s"},
    "receivers": [{"name": "people", "pagerduty_configs": [pagerduty]}],
}
with open("alertmanager.json", "w") as file:
    json.dump(configuration, file)
command = [sys.argv[1], "--config.file=alertmanager.json", "--storage.path=data", "--cluster.listen-address="]
process = subprocess.Popen([*command, f"--web.listen-address={url[7:]}"], stderr=open("log", "w"))
try:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    body = json.dumps([{"labels": {"alertname": "Down"}}]).encode()
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/api/v2/alerts", body, headers), timeout=5).read()
    deadline = time.time() + 20
    while not received and time.time() < deadline:
        time.sleep(0.1)
finally:
    process.terminate()
    process.wait()
got = received[0]["payload"]["custom_details"]
for name, text in SENT.items():
    print(f"{text!r} -> {got.get(name)!r}")
sys.exit({name: got.get(name) for name in SEEN} != SEEN)
PYTHON
python3 play.py "$GOBIN/alertmanager" || { echo "details of PagerDuty are read otherwise now" >&2; exit 1; }
