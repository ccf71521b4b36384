#!/bin/sh
# OpenTelemetry Collector contrib 0.158.0: the log receivers' operator `router` does not keep the order of lines. Behind
# it all lines of a batch that took one route come before all that took another, and which route is first is chance.
#
# An operator gets the lines of a file in batches of a hundred. `router` sorts a batch into a map from routes to lines
# and hands each route's lines on as a batch, in the map's order, which Go shuffles. Each line keeps its own time, so a
# store that orders by time shows nothing of it. But what comes behind both routes and depends on the neighbouring line
# does: a `recombine` that joins a traceback with the line before it joins it with another one, differently from run to
# run, and a receiver without times of its own lists an answer before its question.
#
# Seen: without a router 60 lines arrive in order in 24 of 24 runs; with one whose routes both end at the same operator,
#       the 30 even ones arrive together and the 30 odd ones together in each run: in 21 the even ones first, in 3 the
#       odd ones. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOFLAGS=-mod=mod GOWORK=off
cd "$scratch"
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

const lines = 60

// read returns the numbers of a file's lines as they come out of the receiver.
func read(path string, operators []any) string {
	var got []string
	done := make(chan bool)
	sink, _ := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
		for _, resource := range logs.ResourceLogs().All() {
			for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
				got = append(got, strings.TrimPrefix(record.Body().Str(), "line "))
			}
		}
		if len(got) == lines {
			close(done)
		}
		return nil
	})
	factory := filelogreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(map[string]any{
		"include": []any{path}, "start_at": "beginning", "operators": operators,
	}).Unmarshal(config); err != nil {
		panic(err)
	}
	receiver, err := factory.CreateLogs(context.Background(), receivertest.NewNopSettings(factory.Type()), config, sink)
	if err != nil {
		panic(err)
	}
	_ = receiver.Start(context.Background(), componenttest.NewNopHost())
	select {
	case <-done:
	case <-time.After(20 * time.Second):
	}
	_ = receiver.Shutdown(context.Background())
	return strings.Join(got, " ")
}

func main() {
	var text, ordered, even, odd strings.Builder
	for number := range lines {
		fmt.Fprintf(&text, "line %d\n", number)
		fmt.Fprintf(&ordered, "%d ", number)
		if number%2 == 0 {
			fmt.Fprintf(&even, "%d ", number)
		} else {
			fmt.Fprintf(&odd, "%d ", number)
		}
	}
	path := os.Args[1]
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		panic(err)
	}
	end := map[string]any{"type": "noop", "id": "end"}
	router := map[string]any{
		"type":    "router",
		"routes":  []any{map[string]any{"expr": `body matches "[02468]$"`, "output": "end"}},
		"default": "end",
	}
	for range 24 {
		direct, routed := read(path, []any{end})+" ", read(path, []any{router, end})+" "
		switch routed {
		case even.String() + odd.String():
			fmt.Println("direct in order:", direct == ordered.String(), "- routed: all even ones first")
		case odd.String() + even.String():
			fmt.Println("direct in order:", direct == ordered.String(), "- routed: all odd ones first")
		default:
			fmt.Println("direct in order:", direct == ordered.String(), "- routed:", routed)
		}
	}
}
GO
go mod init example.com/play 2> /dev/null
go get github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver@v0.158.0 \
  go.opentelemetry.io/collector/receiver/receivertest@v0.158.0 2> /dev/null
go mod tidy 2> /dev/null
go build -o play .
./play lines.log | tee seen
[ "$(grep -c '^direct in order: true - routed: all \(even\|odd\) ones first$' seen)" = 24 ] ||
  { echo "the lines come in another order now" >&2; exit 1; }
