#!/bin/sh
# Alertmanager 0.31.1 tells an alert and never its end, if `repeat_interval` is as long as `--data.retention` and the
# alert ends in the group's last interval before it would have been told again.
#
# What was told stays in the notification log for the retention, then garbage collection drops it. If the alert still
# fires at the next flush, it is told again and nobody notices. If it has ended since the flush before, the group has
# but a resolved alert and no entry that says it was ever told: that is taken for one that came and went unheard, is
# told to nobody and is dropped from the group. The sender posts the same end again and again, which does not help, and
# an incident stays open in the pager. Of a `repeat_interval` above the retention Alertmanager warns, although only of
# repeats that come too often; of an equal one it says nothing.
#
# By reasoning only: with the default of 120h, as much for `repeat_interval`, five minutes between flushes and fifteen
# between collections, a collection must come between the expiry and the next flush, so this befalls at most those that
# end within the same few minutes of every five days. The way out is a retention clearly longer than the longest
# `repeat_interval`: by more than a `group_interval`, and than what else holds a repeat back, such as mute times. By its
# source the log keeps nothing for more than twice the `repeat_interval`, however long the retention.
#
# Seen: twelve alerts, each a group of its own, end after 9, 11, … 31 s; `group_interval` 10 s, `repeat_interval` 25 s.
#       With a retention of 25 s the five that end between 20 and 30 s are never told as over; with 60 s, none. There
#       is a warning at 24 s only. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go install github.com/prometheus/alertmanager/cmd/alertmanager@v0.31.1
"$GOBIN/alertmanager" --version 2>&1 | grep '^alertmanager'
cat > play.py <<'PYTHON'
import http.server, json, subprocess, sys, threading, time, urllib.request
from collections import defaultdict
from datetime import datetime, timedelta, timezone

ENDS = range(9, 32, 2)  # seconds after the beginning
told = defaultdict(set)  # by retention and status


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            told[self.path[1:], alert["status"]].add(int(alert["labels"]["ends"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def started(retention):
    """An Alertmanager that is ready, and its address."""
    hook = {"url": f"http://127.0.0.1:{server.server_port}/{retention}"}
    route = {"receiver": "people", "group_by": ["..."], "group_wait": "0s", "group_interval": "10s"}
    receivers = [{"name": "people", "webhook_configs": [hook]}]
    with open(f"{retention}.json", "w") as file:
        json.dump({"route": {**route, "repeat_interval": "25s"}, "receivers": receivers}, file)
    probe = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    url = f"http://127.0.0.1:{probe.server_port}"
    probe.server_close()
    places = [f"--config.file={retention}.json", f"--storage.path={retention}", f"--web.listen-address={url[7:]}"]
    times = [f"--data.retention={retention}", "--data.maintenance-interval=1s"]
    command = [sys.argv[1], *places, *times, "--cluster.listen-address="]
    processes.append(subprocess.Popen(command, stderr=open(f"{retention}.log", "w")))
    for _ in range(150):
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    return url


def post(url):
    """All alerts as they are now, as Prometheus does: those that have ended, too, with the same end each time."""
    now = datetime.now(timezone.utc)
    alerts = []
    for seconds in ENDS:
        ended = began + timedelta(seconds=seconds)
        ends = ended if ended <= now else now + timedelta(minutes=4)
        labels = {"alertname": "Down", "ends": str(seconds)}
        alerts.append({"labels": labels, "startsAt": began.isoformat(), "endsAt": ends.isoformat()})
    request = urllib.request.Request(f"{url}/api/v2/alerts", json.dumps(alerts).encode())
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, timeout=5).read()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
processes, never, warned = [], {}, []
try:
    urls = {retention: started(retention) for retention in ("24s", "25s", "60s")}
    began = datetime.now(timezone.utc)
    while time.time() < began.timestamp() + 55:  # two flushes beyond the last end
        for url in urls.values():
            post(url)
        time.sleep(1)
finally:
    for process in processes:
        process.kill()
        process.wait()
for retention in urls:
    firing, over = told[retention, "firing"], told[retention, "resolved"]
    never[retention] = sorted(firing - over)
    print(f"retention {retention}: {len(firing)} told, never as over those that ended after {never[retention]} s")
    with open(f"{retention}.log") as file:
        if "greater than the data retention period" in file.read():
            warned.append(retention)
print(f"warned of: {', '.join(warned)}")
sys.exit(not (never["25s"] and told["60s", "resolved"] == set(ENDS) and warned == ["24s"]))
PYTHON
python3 play.py "$GOBIN/alertmanager" || { echo "Alertmanager tells every end now, or warns otherwise" >&2; exit 1; }
