// A running server with a few entries, in a temporary folder.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = new URL('../../target/debug/gitops-status-server', import.meta.url).pathname;

/** Starts the program; returns its address and a function that stops it. */
export async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'grafana-test-'));
  const database = `--database-url=sqlite://${join(folder, 'test.db')}`;
  const program = spawn(PROGRAM, ['--listen=127.0.0.1:0', database], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said = [];
  const address = await new Promise((found, failed) => {
    createInterface(program.stderr).on('line', (line) => {
      said.push(line);
      const listening = line.match(/Listening on (http:\/\/127\.0\.0\.1:\d+)/);
      if (listening) found(listening[1]);
    });
    program.on('error', failed);
    program.on('exit', () => failed(new Error(`the server did not start: ${said.join('\n')}`)));
  });
  const stop = async () => {
    const ended = new Promise((end) => program.on('exit', end));
    program.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true });
  };
  return { address, stop };
}

/** Sends an update, which must be accepted. */
export async function report(address, repo, server, syncStatus, driftCount, files, more = {}) {
  const update = {
    repo,
    server,
    sync_status: syncStatus,
    drift_count: driftCount,
    files: files.map((name) => ({ name })),
    last_check: new Date().toISOString(),
    ...more,
  };
  const answer = await fetch(`${address}/api/status`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(update),
  });
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** Waits until the server answers a request with rows that satisfy a condition. */
export async function until(url, condition) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if (condition(await (await fetch(url)).json())) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`${url} never answered as expected`);
}
