#!/bin/sh
# Alertmanager 0.34.0 and 0.35.0 cannot be installed by `go install`: their modules lack the pages that they embed.
#
# The web interface is built by a step of the repository and is not in version control, so the module's archive has
# nothing at the place that a `go:embed` directive names, and the compiler refuses the package. 0.31.1, whose interface
# is in version control, installs. So a tool that pins Alertmanager as a Go module stays on 0.31 without a word of why,
# or must build a copy with a page of its own.
#
# Seen: 0.31.1 builds and says its name; 0.34.0 and 0.35.0 fail with "no matching files found".
#       Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
export GOBIN="$scratch/bin" GOFLAGS=-mod=mod GOWORK=off
package=github.com/prometheus/alertmanager/cmd/alertmanager
cd "$scratch"
go install "$package@v0.31.1"
"$GOBIN/alertmanager" --version 2>&1 | grep '^alertmanager'
for version in v0.34.0 v0.35.0; do
  if go install "$package@$version" 2> "$version.log"; then
    echo "$version can be installed now" >&2
    exit 1
  fi
  grep 'no matching files found' "$version.log" || { cat "$version.log" >&2; exit 1; }
done
