// What a person sees on the dashboards, shown by Grafana's own library over answers of a running server.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { annotated, cells, dashboards, grafana, panelsOf, shown, textOf, theme } from './grafana.mjs';
import { report, start, until } from './server.mjs';

const RUN = 'https://ci.example.org/job/a/job/feature%2Fx/7/';
const ODD = 'a&b=c +ü/%,#?';
let server;
let address;

before(async () => {
  server = await start();
  address = server.address;
  const post = (...update) => report(address, ...update);
  await post('nginx', 'web-1', 'SYNCED', 0, []);
  await post('rsyslog', 'web-1', 'OUT_OF_SYNC', 2, ['a.conf', 'b.conf'], { url: RUN, revision: '4fc1d2' });
  await post('counts', 'web-1', 'SYNCED', 0, []);
  await post('counts', 'web-1', 'SYNCED', 3, []);
  await post(ODD, 'web 2', 'OUT_OF_SYNC', 1, [ODD]);
  await post('lives', 'for-ever', 'SYNCED', 0, [], { stale_after_seconds: 0, ttl_seconds: 0 });
  await post('gone', 'web-1', 'SYNCED', 0, []);
  await fetch(`${address}/api/status?repo=gone&server=web-1`, { method: 'DELETE' });
  const soon = { stale_after_seconds: 1, ttl_seconds: 86400 };
  await post('silent', 'web-1', 'SYNCED', 0, [], soon);
  await post('silent', 'web-3', 'OUT_OF_SYNC', 1, ['a.conf'], soon);
  await post('talks', 'web-4', 'SYNCED', 0, [], soon);
  await until(`${address}/status.json?stale=true`, (rows) => rows.length === 3);
  // The next report tells the history of the silence before it.
  await post('talks', 'web-4', 'SYNCED', 0, []);
});

after(() => server?.stop());

const panel = (file, title) => panelsOf(dashboards[file]).find((found) => found.title === title);
const show = (file, title, chosen) => shown(dashboards[file], panel(file, title), address, chosen);
const colorOf = (field, row) => field.display(field.values[row]).color;
const color = (name) => theme.visualization.getColorByName(name);
const column = (frame, name) => frame.fields.find((field) => field.name === name);

/** The row of a table for one repository and server. */
function rowOf(frame, repo, name) {
  const rows = cells(frame).map((row) => [row.Repository, row.Server].join());
  const row = rows.indexOf([repo, name].join());
  assert.notEqual(row, -1, `no ${repo} on ${name} in ${rows}`);
  return row;
}

/** The text and the colour of a cell. */
const cell = (frame, name, row) => [textOf(column(frame, name), row), colorOf(column(frame, name), row)];

test('every panel shows texts without placeholders, and its page links lead to pages', async () => {
  const pages = new Set();
  for (const [file, dashboard] of Object.entries(dashboards)) {
    const uids = Object.values(dashboards).map(({ uid }) => uid);
    for (const found of panelsOf(dashboard).filter(({ targets }) => targets[0].parser)) {
      const frames = await shown(dashboard, found, address);
      let values = 0;
      for (const field of frames.flatMap((frame) => frame.fields)) {
        const title = grafana.getFieldDisplayName(field, undefined, frames);
        const at = `${file}: ${found.title}: ${title}`;
        assert.ok(!title.includes('$'), at);
        // A state timeline has the links of its bands only.
        if (found.type === 'state-timeline' && field.type === 'time') continue;
        for (let row = 0; row < field.values.length; row++, values++) {
          assert.equal(typeof textOf(field, row), 'string', at);
          for (const link of field.getLinks({ valueRowIndex: row })) {
            assert.ok(!/\$\{|\s|about:blank/.test(link.href) && !link.title.includes('$'), `${at}: ${link.href}`);
            if (link.href.startsWith('/d/')) assert.ok(uids.includes(link.href.match(/^\/d\/([^?]+)/)[1]), at);
            else if (link.href.startsWith(address)) pages.add(link.href);
            else assert.ok(field.values[row] === null || link.href === RUN, `${at}: ${link.href}`);
          }
        }
      }
      assert.ok(values > 0, `${file}: ${found.title} shows nothing`);
    }
  }
  for (const page of pages) {
    const answer = await fetch(page);
    assert.equal(answer.status, 200, page);
    assert.ok(!(await answer.text()).includes('known are'), `${page}: the page knows each parameter`);
  }
  assert.ok(pages.size > 10, `only ${[...pages]}`);
});

test('tables have their columns in the order that the dashboard gives', async () => {
  for (const dashboard of Object.values(dashboards)) {
    for (const found of panelsOf(dashboard).filter(({ type }) => type === 'table')) {
      const { indexByName } = found.transformations[0].options;
      const [frame] = await shown(dashboard, found, address);
      const expected = Object.keys(indexByName).sort((a, b) => indexByName[a] - indexByName[b]);
      assert.deepEqual(frame.fields.map(({ name }) => name), expected, found.title);
    }
  }
});

test('bands are named and say in words and colours how a repository stood', async () => {
  const frames = await show('history.json', 'Repositories');
  const bands = new Map(
    frames.map((frame) => {
      const state = frame.fields.find(({ type }) => type === 'number');
      const shownStates = state.values.map((_, row) => [textOf(state, row), colorOf(state, row)]);
      return [grafana.getFieldDisplayName(state, frame, frames), shownStates];
    }),
  );
  const [inSync, outOfSync] = [['✔ in sync', color('green')], ['✖ out of sync', color('red')]];
  const stale = ['? stale', color('#8e8e8e')];
  assert.deepEqual(bands.get('nginx'), [inSync]);
  assert.deepEqual(bands.get('rsyslog'), [outOfSync]);
  assert.deepEqual(bands.get('talks'), [inSync, stale, inSync]);
  assert.deepEqual(bands.get('gone').map(([text]) => text), ['✔ in sync', ''], 'null ends a band');
  assert.ok(bands.has(ODD));
  // In the mode "thresholds" the state timeline shows those instead of the words.
  for (const title of ['Repositories', 'Servers', 'Entries']) {
    assert.equal(panel('history.json', title).fieldConfig.defaults.color.mode, 'fixed');
  }
  const [entries] = await show('history.json', 'Entries', { repo: ['rsyslog'] });
  assert.equal(grafana.getFieldDisplayName(entries.fields.find(({ type }) => type === 'number'), entries), 'rsyslog / web-1');
});

test('a band and the cells of a table link to the history of their own names', async () => {
  const frames = await show('history.json', 'Repositories');
  const state = frames.flatMap(({ fields }) => fields).find(({ labels }) => labels?.repo === ODD);
  const [only, page] = state.getLinks({ valueRowIndex: 0 }).map(({ href }) => new URL(href, 'https://g'));
  assert.equal(only.searchParams.get('var-repo'), ODD);
  assert.equal(only.searchParams.get('var-DS_INFINITY'), 'gitops-status');
  assert.equal(page.searchParams.get('repo'), ODD);
  const [table] = await show('overview.json', 'Drift details');
  const row = rowOf(table, ODD, 'web 2');
  const links = column(table, 'Server').getLinks({ valueRowIndex: row });
  const [history, entry] = links.map(({ href }) => new URL(href, 'https://g'));
  assert.equal(history.pathname, '/d/gitops-status-history');
  assert.deepEqual(['var-repo', 'var-server'].map((it) => history.searchParams.get(it)), [ODD, 'web 2']);
  assert.equal(entry.href.split('?')[0], `${address}/entry`);
  assert.deepEqual(['repo', 'server'].map((it) => entry.searchParams.get(it)), [ODD, 'web 2']);
});

test('states of entries are words in the colour of what they mean', async () => {
  const [all] = await show('overview.json', 'All entries');
  const state = (repo, name) => cell(all, 'State', rowOf(all, repo, name));
  assert.deepEqual(state('nginx', 'web-1'), ['✔ in sync', color('green')]);
  assert.deepEqual(state('rsyslog', 'web-1'), ['✖ out of sync', color('red')]);
  assert.deepEqual(state('counts', 'web-1'), ['✖ SYNCED, but counts files', color('red')]);
  assert.deepEqual(state('silent', 'web-1'), ['? stale, was in sync', color('#8e8e8e')]);
  assert.deepEqual(state('silent', 'web-3'), ['✖ drifted, stale', color('red')]);
  const [drifts] = await show('overview.json', 'Drift details');
  assert.deepEqual(cells(drifts).map((row) => row.State).sort(), [
    '✖ SYNCED, but counts files',
    '✖ drifted, stale',
    '✖ out of sync',
    '✖ out of sync',
  ]);
  const row = rowOf(drifts, 'rsyslog', 'web-1');
  assert.deepEqual(cell(drifts, 'Drift count', row), ['2', color('red')]);
  assert.equal(cells(drifts)[row].Files, 'a.conf, b.conf');
});

test('times are ages, and a time that is not there is empty', async () => {
  const [all] = await show('overview.json', 'All entries');
  const [never, usual] = [cells(all)[rowOf(all, 'lives', 'for-ever')], cells(all)[rowOf(all, 'nginx', 'web-1')]];
  assert.equal(never.Expires, '');
  assert.equal(usual.Expires, 'in 14 days');
  assert.equal(usual['Status since'], 'a few seconds ago');
  const [changes] = await show('history.json', 'Changes');
  assert.match(cells(changes)[0].Time, /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d/);
});

test('the link of a run is the URL that was sent, and an entry without one shows nothing', async () => {
  for (const [file, title] of [
    ['overview.json', 'All entries'],
    ['overview.json', 'Drift details'],
    ['history.json', 'Changes'],
  ]) {
    const [table] = await show(file, title);
    const links = column(table, 'Run').getLinks({ valueRowIndex: rowOf(table, 'rsyslog', 'web-1') });
    assert.deepEqual(links.map(({ href }) => href), [RUN], title);
    assert.equal(cells(table)[rowOf(table, 'counts', 'web-1')].Run, '', title);
  }
});

/** What a panel of one number shows of frames: its text and its colour. */
function statOf(found, data) {
  const [value] = grafana.getFieldDisplayValues({
    data,
    reduceOptions: found.options.reduceOptions,
    fieldConfig: found.fieldConfig,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
  return [grafana.formattedValueToString(value.display), value.display.color];
}

test('counters show a number, and the oldest drift its age or that there is none', async () => {
  const stat = async (title, chosen) =>
    statOf(panel('overview.json', title), await show('overview.json', title, chosen));
  assert.deepEqual(await stat('Entries'), ['8', color('blue')]);
  assert.deepEqual(await stat('In sync'), ['3', color('green')]);
  assert.deepEqual(await stat('Drifted'), ['4', color('red')]);
  assert.deepEqual(await stat('Drifted', { repo: ['nginx'] }), ['0', color('green')]);
  assert.deepEqual(await stat('Stale'), ['2', color('#8e8e8e')]);
  assert.deepEqual(await stat('Drifted and stale'), ['1', color('red')]);
  assert.deepEqual(await stat('Oldest drift'), ['a few seconds ago', color('red')]);
  assert.deepEqual(await stat('Oldest drift', { repo: ['nginx'] }), ['none', color('green')]);
});

test('changes are words, and annotations tell drifts, drifts without the status, and silences', async () => {
  const [changes] = await show('history.json', 'Changes');
  const words = new Set(cells(changes).map((row) => row.Change));
  for (const word of ['+ first report', '± drift changed', '? fell silent', '! reports again', '– deleted']) {
    assert.ok(words.has(word), `${word} in ${[...words]}`);
  }
  const marks = {};
  for (const annotation of dashboards['history.json'].annotations.list) {
    const rows = await annotated(dashboards['history.json'], annotation, address);
    marks[annotation.name] = rows.map(({ title, text }) => `${title}: ${text}`).sort();
  }
  assert.deepEqual(marks.Drift, [
    `first report, drifted: ${ODD} on web 2`,
    'first report, drifted: rsyslog on web-1',
    'first report, drifted: silent on web-3',
  ]);
  assert.deepEqual(marks['Drift while SYNCED'], ['changed: SYNCED, but counts files: counts on web-1']);
  assert.ok(marks['Silence and end'].includes('deleted: gone on web-1'));
  assert.ok(marks['Silence and end'].includes('stale: talks on web-4'));
});

test('the dashboard of the program has words for its states, and units that Grafana knows', async () => {
  const dashboard = dashboards['server.json'];
  const frames = (value) => [
    grafana.toDataFrame({ fields: [{ name: 'value', type: 'number', values: [value] }] }),
  ];
  for (const [value, expected] of [
    [0, ['✖ not writable', color('red')]],
    [1, ['✔ writable', color('green')]],
  ]) {
    const [frame] = await shown(dashboard, panel('server.json', 'Writable'), address, {}, frames(value));
    assert.deepEqual(cell(frame, 'value', 0), expected);
  }
  const known = new Set(grafana.getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));
  for (const found of Object.values(dashboards).flatMap(panelsOf)) {
    const overrides = found.fieldConfig.overrides.flatMap(({ properties }) => properties);
    const units = overrides.filter(({ id }) => id === 'unit').map(({ value }) => value);
    for (const unit of [found.fieldConfig.defaults.unit, ...units].filter(Boolean)) {
      assert.ok(known.has(unit), `${found.title}: ${unit}`);
    }
  }
  const [free] = await shown(dashboard, panel('server.json', 'Free on the data disk'), address, {}, frames(3 * 2 ** 30));
  assert.equal(cells(free)[0].value, '3 GiB');
});

test('a number that the server does not know is shown as such', async () => {
  const { missing } = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8').match(
    /^With PostgreSQL, (?<missing>.*) are missing:/m,
  ).groups;
  const names = [...missing.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  const stats = panelsOf(dashboards['server.json']).filter(({ type }) => type === 'stat');
  const unknown = stats.filter(({ targets }) => names.some((name) => targets[0].expr.includes(name)));
  assert.deepEqual(unknown.map(({ title }) => title), ['Free on the data disk']);
  for (const found of unknown) {
    const frames = await shown(dashboards['server.json'], found, address, {}, []);
    assert.equal(statOf(found, frames)[0], 'not known', found.title);
  }
});
