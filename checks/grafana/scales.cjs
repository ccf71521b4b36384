// From where to where Grafana draws the values of a graph, by its own scales.
//
// Reads [{axis, low, high}] as JSON from standard input: what a panel says of its axis, and the least and the greatest
// value that there is to draw. Writes for each the two ends.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const uPlot = require("uplot");

const ui = path.dirname(require.resolve("@grafana/ui/package.json"));
const { UPlotScaleBuilder } = require(path.join(ui, "dist/cjs/components/uPlot/config/UPlotScaleBuilder.cjs"));

const KEY = "y";

function ends({ axis, low, high }) {
  const scale = new UPlotScaleBuilder({ scaleKey: KEY, isTime: false, orientation: 1, direction: 1, ...axis }).getConfig()[KEY];
  return scale.range({ scales: { [KEY]: scale } }, low, high, KEY);
}

process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0, "utf8")).map(ends)));
