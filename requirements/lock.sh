#!/bin/sh
# Locks every requirements file, and the packages of Node, with hashes and without the address of an index.
set -eu
cd "$(dirname "$0")/.."
# How is in pyproject.toml, where the robot that raises pins reads it too; it repeats what a lock's first lines say.
lock() {
  .venv/bin/python -m uv pip compile --quiet "$@"
}
lock --output-file=requirements.txt pyproject.toml
lock --extra=dev --output-file=requirements/dev.txt pyproject.toml
lock --output-file=requirements/uv.txt requirements/uv.in
lock --output-file=requirements/go.txt requirements/go.in
lock --output-file=requirements/policies.txt requirements/policies.in
lock --resolution=lowest-direct --all-extras --output-file=requirements/lowest.txt \
  instrumentation/pyproject.toml requirements/lowest.in
packages() {
  (cd "engine/tools/$1" && PYTHONPATH=../../.. ../../../.venv/bin/python -m engine.npm install --package-lock-only)
}
packages renovate
packages grafana-data
# The one file of @grafana/ui that is run needs @grafana/data and uplot; all that its pages need would be 270 MB.
.venv/bin/python - engine/tools/grafana-data/package-lock.json <<'END'
import json, pathlib, sys

file = pathlib.Path(sys.argv[1])
lock = json.loads(file.read_text())
lock["packages"]["node_modules/@grafana/ui"].pop("dependencies", None)
file.write_text(json.dumps(lock, indent=2) + "\n")
END
packages grafana-data
