// Shows panels as Grafana does, with its own library @grafana/data. The rest is rebuilt here from its
// description: how Infinity makes frames of an answer, how Grafana fills in variables, the
// transformation "Partition by values", and the list of standard options, which Grafana itself holds.
//
// package.json keeps @braintree/sanitize-url at 7.0.1, the version that Grafana 12 names. From 7.0.2 on
// it decodes whole URLs (https://github.com/braintree/sanitize-url/issues/75), and every link to a name
// with an encoded character would break.

import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('../../', import.meta.url);
// scripts/test installs the packages there.
const require = createRequire(new URL('target/grafana/package.json', root));

const { window } = new (require('jsdom').JSDOM)('', { url: 'https://grafana.example/' });
const browser = ['window', 'document', 'DOMParser', 'DocumentFragment', 'Element', 'HTMLElement', 'navigator'];
for (const name of [...browser, 'HTMLFormElement', 'HTMLTemplateElement', 'NamedNodeMap', 'Node', 'NodeFilter']) {
  globalThis[name] ??= name === 'window' ? window : window[name];
}
export const grafana = require('@grafana/data');
const { of, lastValueFrom } = require('rxjs');
export const theme = grafana.createTheme();

/** Every dashboard by the name of its file. */
export const dashboards = Object.fromEntries(
  readdirSync(new URL('deploy/grafana/dashboards/', root)).map((file) => [
    file,
    JSON.parse(readFileSync(new URL(`deploy/grafana/dashboards/${file}`, root))),
  ]),
);

/** The panels of a dashboard, those in rows included. */
export const panelsOf = (dashboard) => dashboard.panels.flatMap((panel) => panel.panels ?? [panel]);

const property = (id, process) => ({
  id,
  path: id,
  name: id,
  process,
  shouldApply: () => true,
  settings: { expandTemplateVars: true },
});
const options = new grafana.Registry(() => [
  property('displayName', grafana.displayNameOverrideProcessor),
  property('unit', grafana.unitOverrideProcessor),
  property('mappings', grafana.valueMappingsOverrideProcessor),
  property('color', grafana.identityOverrideProcessor),
  property('thresholds', grafana.thresholdsOverrideProcessor),
  property('links', grafana.dataLinksOverrideProcessor),
  property('min', grafana.numberOverrideProcessor),
]);

const strictly = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const formats = {
  raw: (values) => String(values),
  csv: (values) => values.join(','),
  glob: (values) => (values.length > 1 ? `{${values.join(',')}}` : String(values[0])),
  percentencode: (values) => strictly(String(values)),
  uriencode: (values) => encodeURI(String(values)),
  queryparam: (values, name) => values.map((value) => `var-${name}=${strictly(value)}`).join('&'),
  customqueryparam: (values, name) => values.map((value) => `${name}=${strictly(value)}`).join('&'),
};

/** Returns a function that fills in the variables of a text. `chosen` has a list for each variable. */
export function interpolator(dashboard, chosen) {
  const variable = (name) => dashboard.templating.list.find((found) => found.name === name);
  return function replace(text, scoped = {}, usual = 'glob') {
    return text.replace(/\$\{(\w+)(?:\.([^:}]+))?(?::(\w+))?\}/g, (match, name, path, format = usual) => {
      if (!(format in formats)) throw new Error(`${match}: no such format`);
      if (name === '__url_time_range') return 'from=now-24h&to=now';
      if (name === '__from' || name === '__to') return String(chosen[name]);
      const context = scoped.__dataContext?.value;
      if (name.startsWith('__')) {
        return context ? formats[format]([ofData(name, path, context, match)]) : match;
      }
      const known = variable(name);
      if (!known) throw new Error(`${match}: no such variable`);
      const values = chosen[name] ?? (known.type === 'constant' ? [known.query] : ['$__all']);
      const isAll = values[0] === '$__all';
      if (isAll && format === 'queryparam') return formats.queryparam(values, name);
      if (isAll && known.allValue) return known.allValue;
      return isAll ? known.query : formats[format](values, name);
    });
  };
}

function ofData(name, path, { frame, field, rowIndex, calculatedValue }, match) {
  const at = path?.split('.') ?? [];
  if (name === '__field') return at[0] === 'labels' ? (field.labels?.[at[1]] ?? '') : field.name;
  if (name === '__value' && path === 'raw') return calculatedValue?.numeric ?? field.values[rowIndex];
  if (name === '__data' && at[0] === 'fields') {
    return grafana.getFieldDisplayValuesProxy({ frame, rowIndex })[at[1]];
  }
  throw new Error(`${match}: the tests do not know this`);
}

/** Sends a query as Infinity does, and returns the rows of the answer. */
async function ask(address, query, replace) {
  const url = new URL(address + replace(query.url));
  for (const { key, value } of query.url_options.params) url.searchParams.append(key, replace(value));
  url.searchParams.sort();
  const answer = await fetch(url);
  const body = await answer.json();
  if (answer.status !== 200) throw new Error(`${url}: ${body.message}`);
  const rows = query.root_selector ? body[query.root_selector] : body;
  return Array.isArray(rows) ? rows : [rows];
}

const types = { string: 'string', number: 'number', timestamp: 'time' };

/** Makes a frame of rows as Infinity does: columns in the order of their titles. */
function frameOf(query, rows) {
  if (rows.length === 0) return grafana.toDataFrame({ refId: query.refId, fields: [] });
  const fields = query.columns.map(({ selector, text, type }) => ({
    name: text,
    type: types[type],
    values: rows.map((row) => converted(row[selector], type)),
  }));
  for (const { selector, text, type } of query.computed_columns ?? []) {
    const names = fields.map((field) => field.name).filter((name) => /^\w+$/.test(name));
    // The expressions of Infinity that the dashboards have mean the same in JavaScript.
    const compute = new Function(...names, `return ${selector}`);
    const valuesOf = (row) => names.map((name) => fields.find((field) => field.name === name).values[row]);
    fields.push({ name: text, type: types[type], values: rows.map((_, row) => compute(...valuesOf(row))) });
  }
  fields.sort((a, b) => (a.name < b.name ? -1 : 1));
  return grafana.toDataFrame({ refId: query.refId, fields });
}

function converted(value, type) {
  if (value === null) return null;
  if (value === undefined) throw new Error('no such field');
  return type === 'timestamp' ? Date.parse(value) : type === 'string' ? String(value) : value;
}

/** "Partition by values" with "As label": a frame for each combination of values. */
function partition(frame, names) {
  if (frame.length === 0) return [frame];
  const keys = names.map((name) => frame.fields.find((field) => field.name === name));
  const rows = new Map();
  for (let row = 0; row < frame.length; row++) {
    const key = JSON.stringify(keys.map((field) => field.values[row]));
    rows.set(key, [...(rows.get(key) ?? []), row]);
  }
  return [...rows].map(([key, members]) => {
    const labels = Object.fromEntries(JSON.parse(key).map((value, index) => [names[index], value]));
    const others = frame.fields.filter((field) => !names.includes(field.name));
    const fields = others.map((field) => ({
      ...field,
      labels: field.type === 'time' ? undefined : labels,
      values: members.map((row) => field.values[row]),
    }));
    return grafana.toDataFrame({ refId: frame.refId, fields });
  });
}

async function transformed(panel, frames) {
  for (const { id, options: chosen } of panel.transformations ?? []) {
    if (id === 'partitionByValues') {
      frames = frames.flatMap((frame) => partition(frame, chosen.fields));
    } else {
      const known = Object.values(grafana.standardTransformers).find((found) => found.id === id);
      const context = { interpolate: (text) => text };
      frames = await lastValueFrom(of(frames).pipe(known.operator(chosen, context)));
    }
  }
  return frames;
}

/** Returns the frames of a panel as Grafana shows them. `frames` replaces the answers to its queries. */
export async function shown(dashboard, panel, address, chosen = {}, frames) {
  const now = Date.now();
  const replace = interpolator(dashboard, {
    __from: now - 86_400_000,
    __to: now + 1000,
    DS_INFINITY: ['gitops-status'],
    page: [address],
    ...chosen,
  });
  frames ??= await Promise.all(
    panel.targets.map(async (query) => frameOf(query, await ask(address, query, replace))),
  );
  return grafana.applyFieldOverrides({
    data: await transformed(panel, frames),
    fieldConfig: structuredClone(panel.fieldConfig),
    fieldConfigRegistry: options,
    replaceVariables: replace,
    theme,
    timeZone: 'utc',
  });
}

/** Returns the rows of an annotation. */
export async function annotated(dashboard, annotation, address) {
  const replace = interpolator(dashboard, { __from: 0, __to: Date.now() + 1000 });
  const frame = frameOf(annotation.target, await ask(address, annotation.target, replace));
  return new grafana.DataFrameView(frame).toArray();
}

/** The text of a cell, with unit and mapping. */
export const textOf = (field, row) => grafana.formattedValueToString(field.display(field.values[row]));

/** The cells of a table, a text for each column by its title. */
export function cells(frame) {
  return Array.from({ length: frame.length }, (_, row) =>
    Object.fromEntries(frame.fields.map((field) => [field.name, textOf(field, row)])),
  );
}
