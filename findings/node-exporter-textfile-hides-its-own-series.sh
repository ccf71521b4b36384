#!/bin/sh
# node_exporter 1.12.1 leaves this machine's own disks out of a metric if a file for its textfile collector has the same
# metric with another HELP text, be it by a full stop, or with none; and node_textfile_scrape_error stays 0.
#
# All collectors run at once, and in each scrape the first series of a metric to arrive settles its HELP text. Those
# with another are left out: all of the filesystem collector, or all of the file. A short file nearly always comes
# first; next to a file that takes long to read it comes last, and its own series are gone. Either way the answer is 200
# and both collectors have succeeded. Only the log tells, and a scrape later the counter
# promhttp_metric_handler_errors_total with the cause "gathering". When two files differ so from each other,
# node_textfile_scrape_error is 1. The format does not ask for a HELP line. So a script that adds a disk to
# node_filesystem_avail_bytes blinds the alerts that divide it by node_filesystem_size_bytes, which is still there. Way
# out: the very same text, or better a name of one's own.
#
# Seen, in 20 scrapes each: same text: own and file's; other text or none: only the file's in 19 or all, else only own;
#       other text, next to a long file: only own. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go install github.com/prometheus/node_exporter@v1.12.1
go version -m "$GOBIN/node_exporter" | grep '^[[:space:]]mod'
cat > play.py <<'PYTHON'
import collections, http.server, re, subprocess, sys, tempfile, time, urllib.request

SCRAPES = 20
TEXT = "# HELP node_filesystem_avail_bytes Filesystem space available to non-root users in bytes"
SAME, OTHER, NONE = f"{TEXT}.\n", f"{TEXT}\n", ""
MADE = {"/made/1", "/made/2"}
LONG = "".join(f"long_{number} 1\n" for number in range(30_000))


def made(text, mountpoints=MADE):
    labels = 'device="/dev/made",device_error="",fstype="ext4"'
    series = [f'node_filesystem_avail_bytes{{{labels},mountpoint="{each}"}} 1000\n' for each in sorted(mountpoints)]
    return f"{text}# TYPE node_filesystem_avail_bytes gauge\n{''.join(series)}"


def shown(page):
    """Whose disks have the metric: all of the file's, all of its own, which are those with a size, or both."""
    sizes, there = (
        set(re.findall(rf'^node_filesystem_{name}_bytes{{.*mountpoint="(.+?)"', page, re.MULTILINE))
        for name in ("size", "avail")
    )
    whole = {"both": sizes | MADE, "own": sizes, "file": MADE}
    return next((side for side, mountpoints in whole.items() if sizes and there == mountpoints), f"{there} of {sizes}")


def played(*files):
    """How often each side was shown, what else the pages said, and the errors that the last counted and the log has."""
    directory = tempfile.mkdtemp(dir=".")
    for number, text in enumerate(files):
        with open(f"{directory}/{number}.prom", "w") as file:
            file.write(text)
    probe = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    address = f"127.0.0.1:{probe.server_port}"
    probe.server_close()
    command = [sys.argv[1], f"--web.listen-address={address}", f"--collector.textfile.directory={directory}"]
    sides, said = collections.Counter(), set()
    process = subprocess.Popen(command, stderr=open(f"{directory}/log", "w"))
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        for _ in range(SCRAPES):
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
                page = answer.read().decode()
            sides[shown(page)] += 1
            worked = re.findall(r'^node_scrape_collector_success{collector="(?:filesystem|textfile)"} 1$', page, re.M)
            error = re.search(r"^node_textfile_scrape_error (\d)$", page, re.M)[1]
            said.add((answer.status, len(worked), int(error)))
    finally:
        process.terminate()
        process.wait()
    counted = re.search(r'^promhttp_metric_handler_errors_total{cause="gathering"} (\d+)$', page, re.M)[1]
    with open(f"{directory}/log") as log:
        return sides, said, (int(counted), log.read().count("error gathering metrics"))


silent, told = {(200, 2, 0)}, (SCRAPES - 1, SCRAPES)
same, other, none = played(made(SAME)), played(made(OTHER)), played(made(NONE))
late, files = played(made(OTHER), LONG), played(made(SAME), made(OTHER, {"/made/3"}))
cases = {"same": same, "other": other, "none": none, "other, next to a long file": late, "other, between files": files}
print("HELP text: shown; status, collectors that worked, node_textfile_scrape_error; errors counted, logged")
for case, (sides, said, errors) in cases.items():
    print(f"{case}: {dict(sides)}; {said}; {errors}")
right = same == ({"both": SCRAPES}, silent, (0, 0)) and files == ({"both": SCRAPES}, {(200, 2, 1)}, (0, 0))
for (sides, *rest), side in ((other, "file"), (none, "file"), (late, "own")):
    right = right and set(sides) <= {"file", "own"} and sides[side] > SCRAPES / 2 and rest == [silent, told]
sys.exit(not right)
PYTHON
python3 play.py "$GOBIN/node_exporter" || { echo "node_exporter shows both, or tells of it, now" >&2; exit 1; }
