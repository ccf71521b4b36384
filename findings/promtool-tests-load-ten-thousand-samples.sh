#!/bin/sh
# promtool 3.14.0: a rule over 14 days cannot be tested with a sample a minute: `promtool test rules` evaluates with a
# limit of 10,000 samples in memory, where a server has 50,000,000, and no option raises it.
#
# What looks back at two weeks, such as an error budget, needs 20,160 samples of a series, and with a sample every two
# minutes still 10,080. Way out: test such a rule on series that are recorded more rarely, as rules of long windows are
# better made of anyway.
#
# Seen: 9,999 samples: the test passes; 10,002: "query processing would load too many samples into memory". Exits with 1
#       if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
go mod init example.com/play 2>/dev/null
go get github.com/prometheus/prometheus@v0.314.0 2>/dev/null
go build -tags remove_all_sd -o "$GOBIN/promtool" github.com/prometheus/prometheus/cmd/promtool

cat > rules.yaml <<'YAML'
groups:
  - name: rules
    rules: [{ record: "job:requests:sum_2w", expr: "sum_over_time(requests[2w])" }]
YAML
tested() { # a test with so many samples, one a minute, all of them within two weeks
  cat > test.yaml <<YAML
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{ series: requests, values: 1x$(($1 - 1)) }]
    promql_expr_test: [{ expr: "sum_over_time(requests[2w])", eval_time: $1m, exp_samples: [{ labels: "{}", value: $1 }] }]
YAML
  "$GOBIN/promtool" test rules test.yaml 2>&1 || true
}
few=$(tested 9999) many=$(tested 10002)
echo "9,999 samples: $few"
echo "10,002 samples: $many"
case $few in *SUCCESS*) ;; *) echo "9,999 samples are too many now" >&2 && exit 1 ;; esac
case $many in *"too many samples"*) ;; *) echo "10,002 samples are not too many now" >&2 && exit 1 ;; esac
