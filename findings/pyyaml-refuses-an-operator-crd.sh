#!/bin/sh
# PyYAML 6.0.3 cannot read a resource definition that the Prometheus operator 0.93.1 ships.
#
# The definition of AlertmanagerConfig lists the matchers of a route as an enumeration, in which the operator `=` stands
# without quotes. YAML 1.1 gives a plain `=` the type "value"; PyYAML resolves that type and has no constructor for it in
# its safe loaders, pure or C. Kubernetes' own reader takes the same file. So a Python program that reads the operator's
# definitions must leave out that one, or name a loader that knows the type.
#
# Seen: ConstructorError "could not determine a constructor for the tag 'tag:yaml.org,2002:value'" for the one file of
#       AlertmanagerConfig, all others of the folder are read; sigs.k8s.io/yaml 1.6.0 reads all. Exits with 1 if that
#       changes.
set -eu
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT INT TERM
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check PyYAML==6.0.3
cd "$scratch"
export GOMODCACHE="$scratch/modules" GOFLAGS=-mod=mod GOWORK=off
operator=github.com/prometheus-operator/prometheus-operator@v0.93.1
folder=$(go mod download -json "$operator" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/example/prometheus-operator-crd
cat > try.py <<'PYTHON'
import pathlib
import sys

import yaml

refused = {}
files = sorted(pathlib.Path(sys.argv[1]).glob("*.yaml"))
for file in files:
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        try:
            yaml.load(file.read_text(), Loader=loader)
        except yaml.constructor.ConstructorError as error:
            refused.setdefault(file.name, set()).add(error.problem)
print(len(files), "files;", refused)
value = {"could not determine a constructor for the tag 'tag:yaml.org,2002:value'"}
sys.exit(not (len(files) > 8 and refused == {"monitoring.coreos.com_alertmanagerconfigs.yaml": value}))
PYTHON
venv/bin/python try.py "$folder" || { echo "PyYAML or the definitions are otherwise now" >&2; exit 1; }
mkdir reader && cd reader
cat > main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

func main() {
	files, _ := filepath.Glob(filepath.Join(os.Args[1], "*.yaml"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		var document map[string]any
		if err == nil {
			err = yaml.Unmarshal(text, &document)
		}
		if err != nil {
			fmt.Println(file, err)
			os.Exit(1)
		}
	}
	fmt.Println("Kubernetes' reader takes all", len(files))
}
GO
go mod init reader 2>/dev/null
go get sigs.k8s.io/yaml@v1.6.0 2>/dev/null
go run . "$folder" || { echo "Kubernetes' reader refuses a definition" >&2; exit 1; }
