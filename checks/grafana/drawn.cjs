// What Grafana's own library makes of panels and their data: names, texts, colours and bounds.
//
// Reads {now, asked: [{panel, frames}]} as JSON from standard input: the time in milliseconds, a panel as in a
// dashboard, and the frames of its queries as Grafana's server sends them. Writes for each {fields, tiles, ignored}: see
// drawn.py, which describes them. What the library leaves to Grafana's pages is here: which field options and
// transformations there are.

"use strict";

const fs = require("node:fs");
const data = require("@grafana/data");
const { lastValueFrom } = require("rxjs");
const tinycolor = require("tinycolor2");

globalThis.window = {}; // where transformDataFrame looks for a scene; set before, React would take this for a page

const TIME_ZONE = "utc";
const theme = data.createTheme();

// A series' own variables, which Grafana's pages put into names; others stay as they are.
function withVariables(text, variables) {
  const { field, frame } = variables?.__dataContext?.value ?? {};
  if (!field) return text;
  const name = () => data.getFieldDisplayName({ ...field, config: { ...field.config, displayName: undefined } }, frame);
  return text
    .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => field.labels?.[label] ?? "")
    .replace(/\$\{(__field\.(name|displayName)|__series\.name)\}/g, name);
}

// The options that each field may have, whatever draws it, and which fields a panel's default holds for.
const always = () => true;
const numbers = (field) => field.type === data.FieldType.number;
const OPTIONS = {
  unit: [data.stringOverrideProcessor, always],
  min: [data.numberOverrideProcessor, numbers],
  max: [data.numberOverrideProcessor, numbers],
  fieldMinMax: [data.booleanOverrideProcessor, numbers],
  decimals: [data.numberOverrideProcessor, numbers],
  displayName: [data.displayNameOverrideProcessor, always, { expandTemplateVars: true }],
  color: [data.identityOverrideProcessor, always],
  noValue: [data.stringOverrideProcessor, always],
  links: [data.dataLinksOverrideProcessor, always],
  mappings: [data.valueMappingsOverrideProcessor, (field) => field.type !== data.FieldType.time],
  thresholds: [data.thresholdsOverrideProcessor, always],
  filterable: [data.booleanOverrideProcessor, always],
};
data.standardFieldConfigEditorRegistry.setInit(() =>
  Object.entries(OPTIONS).map(([id, [process, shouldApply, settings]]) => ({
    id,
    path: id,
    name: id,
    process,
    shouldApply,
    settings,
  })),
);
// By their ids: the library lists joinByField under a second name.
const TRANSFORMATIONS = Object.fromEntries(Object.values(data.standardTransformers).map((one) => [one.id, one]));
data.standardTransformersRegistry.setInit(() =>
  Object.values(TRANSFORMATIONS).map((one) => ({ ...one, transformation: async () => one })),
);

const code = (colour) => tinycolor(theme.visualization.getColorByName(colour)).toHexString();
// Hues by their shades' codes. The palette of series has further colours, which have no name.
const HUES = Object.fromEntries(
  theme.visualization.hues.flatMap(({ name, shades }) => shades.map(({ color }) => [code(color), name])),
);
const hue = (colour) => HUES[code(colour)] ?? colour;

const cell = (display) => ({
  text: data.formattedValueToString(display),
  number: Number.isFinite(display.numeric) ? display.numeric : null,
  colour: hue(display.color),
  shade: code(display.color),
});

// The steps that decide the colour, where they do.
const limits = ({ color, thresholds }) =>
  color?.mode === data.FieldColorModeId.Thresholds
    ? thresholds.steps.map((step) => [Number.isFinite(step.value) ? step.value : null, hue(step.color)])
    : null;

function colourOf(field) {
  const { color } = data.getFieldSeriesColor(field, theme);
  return { colour: hue(color), shade: code(color) };
}

function fieldOf(field, frame, frames) {
  return {
    name: data.getFieldDisplayName(field, frame, frames),
    type: field.type,
    unit: field.config.unit ?? null,
    ...colourOf(field),
    min: field.config.min ?? null,
    max: field.config.max ?? null,
    limits: limits(field.config),
    raw: field.values,
    cells: field.values.map((value) => cell(field.display(value))),
  };
}

function tilesOf(panel, frames) {
  const shown = data.getFieldDisplayValues({
    data: frames,
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: withVariables,
    theme,
    timeZone: TIME_ZONE,
  });
  return shown.map(({ display, field }) => ({
    name: display.title ?? "",
    min: field.min ?? null,
    max: field.max ?? null,
    limits: limits(field),
    ...cell(display),
  }));
}

// What Grafana passes over in silence: transformations, matchers and options that it does not know, and overrides that
// match no field.
function ignoredOf(panel, frames) {
  const ignored = (panel.transformations ?? [])
    .filter(({ id }) => !data.standardTransformersRegistry.getIfExists(id))
    .map(({ id }) => `transformation ${id}`);
  for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
    const known = data.fieldMatchers.getIfExists(matcher.id);
    const match = known?.get(matcher.options) ?? (() => false);
    if (!known) ignored.push(`matcher ${matcher.id}`);
    else if (frames.length && !frames.some((frame) => frame.fields.some((field) => match(field, frame, frames))))
      ignored.push(`override of ${JSON.stringify(matcher.options)}`);
    ignored.push(
      ...properties.filter(({ id }) => !(id in OPTIONS) && !id.startsWith("custom.")).map(({ id }) => `option ${id}`),
    );
  }
  return ignored;
}

// JSON has no number for the bound of the lowest step.
function restoreInfinity({ defaults, overrides } = {}) {
  const properties = (overrides ?? []).flatMap((override) => override.properties);
  const own = properties.filter(({ id }) => id === "thresholds").map(({ value }) => value);
  for (const thresholds of [defaults?.thresholds, ...own])
    if (thresholds?.steps[0]?.value === null) thresholds.steps[0].value = -Infinity;
}

// The rows of a heatmap are named by their bounds, which it writes in the unit of its axis if they are numbers.
function rowsOf(panel, fields) {
  const format = data.getValueFormat(panel.options.yAxis.unit);
  const named = (name) => (Number.isFinite(Number(name)) ? data.formattedValueToString(format(Number(name))) : name);
  return fields.map((field) => (field.type === "number" ? { ...field, name: named(field.name) } : field));
}

async function drawn({ panel, frames: sent }) {
  restoreInfinity(panel.fieldConfig);
  const received = sent.map(data.dataFrameFromJSON);
  const transformed = await lastValueFrom(data.transformDataFrame(panel.transformations ?? [], received));
  const frames = data.applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    replaceVariables: withVariables,
    theme,
    timeZone: TIME_ZONE,
  });
  const fields = frames.flatMap((frame) => frame.fields.map((field) => fieldOf(field, frame, frames)));
  return {
    fields: panel.type === "heatmap" ? rowsOf(panel, fields) : fields,
    tiles: panel.options?.reduceOptions ? tilesOf(panel, frames) : [],
    ignored: ignoredOf(panel, frames),
  };
}

async function main() {
  const { now, asked } = JSON.parse(fs.readFileSync(0, "utf8"));
  Date.now = () => now; // what `ago` counts from
  const answers = [];
  for (const one of asked) answers.push(await drawn(one));
  process.stdout.write(JSON.stringify(answers));
}

main();
