#!/bin/sh
# Locks every requirements file, and the packages of Node, with hashes and without the address of an index.
set -eu
cd "$(dirname "$0")/.."
lock() {
  .venv/bin/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --custom-compile-command "make lock" "$@"
}
lock pyproject.toml -o requirements.txt
lock --extra dev pyproject.toml -o requirements/dev.txt
lock requirements/uv.in -o requirements/uv.txt
lock requirements/go.in -o requirements/go.txt
lock --resolution lowest-direct --all-extras instrumentation/pyproject.toml requirements/lowest.in -o requirements/lowest.txt
packages() {
  (cd engine/tools/grafana-data && PYTHONPATH=../../.. ../../../.venv/bin/python -m engine.npm install --package-lock-only)
}
packages
# The one file of @grafana/ui that is run needs @grafana/data and uplot; all that its pages need would be 270 MB.
.venv/bin/python - engine/tools/grafana-data/package-lock.json <<'END'
import json, pathlib, sys

file = pathlib.Path(sys.argv[1])
lock = json.loads(file.read_text())
lock["packages"]["node_modules/@grafana/ui"].pop("dependencies", None)
file.write_text(json.dumps(lock, indent=2) + "\n")
END
packages
