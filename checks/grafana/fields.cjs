// The values that a link of a row may name as ${__data.fields.NAME.PART}, as Grafana's own library gives them.
//
// Reads {frame, row, names: ["NAME.PART"]} as JSON from standard input, the frame as Grafana's server sends it, and
// writes a list of the values; null for what the row does not have.

"use strict";

const fs = require("node:fs");
const data = require("@grafana/data");

const { frame, row, names } = JSON.parse(fs.readFileSync(0, "utf8"));
const read = data.dataFrameFromJSON(frame);
for (const field of read.fields) field.display = data.getDisplayProcessor({ field, theme: data.createTheme(), timeZone: "utc" });
const fields = data.getFieldDisplayValuesProxy({ frame: read, rowIndex: row });
const values = names.map((path) => path.split(".").reduce((value, name) => value?.[name], fields) ?? null);
process.stdout.write(JSON.stringify(values));
