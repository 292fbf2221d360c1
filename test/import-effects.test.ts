import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';

/**
 * Imports a module in a process of its own that watches the process while it does: a program that embeds the broker, or a
 * test, must be able to import it and stay as it was.
 */
const WATCHED_IMPORT = `
  import { createHook } from 'node:async_hooks';
  import { syncBuiltinESMExports } from 'node:module';
  import v8 from 'node:v8';

  // Node itself opens standard error when node:util is imported, or a warning is written.
  void process.stderr;
  const effects = [];
  v8.setFlagsFromString = (flag) => effects.push('the flag ' + flag);
  syncBuiltinESMExports();
  createHook({
    init: (id, type) => {
      if (/^(Timeout|Immediate|.*WRAP|.*SERVER.*|STATWATCHER|MESSAGEPORT|WORKER)$/.test(type)) effects.push(type);
    },
  }).enable();
  const state = () => ({
    listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
    resources: process.getActiveResourcesInfo(),
    environment: { ...process.env },
    limit: Error.stackTraceLimit,
    globals: Object.getOwnPropertyNames(globalThis),
    directory: process.cwd(),
    umask: process.umask(),
    execArgv: process.execArgv,
  });
  const before = state();
  await import(MODULE);
  const after = state();
  effects.push(...Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key])));
  console.log(JSON.stringify(effects));
`;

/** Resolves when the process has ended by itself, so that nothing keeps it alive. */
async function effectsOf(url: URL): Promise<string[]> {
  const program = WATCHED_IMPORT.replace('MODULE', JSON.stringify(url.href));
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--eval', program], {
    timeout: 60_000,
  });
  return JSON.parse(stdout) as string[];
}

describe('to import', () => {
  for (const path of ['broker/broker.ts', 'servers/amqp091/server.ts', 'servers/kafka/server.ts']) {
    it(`${path} does nothing to the process, and lets it end`, async () => {
      assert.deepEqual(await effectsOf(new URL(`../src/${path}`, import.meta.url)), []);
    });
  }

  it('a module that does something to the process is noticed', async () => {
    const lines = [
      "import { setFlagsFromString } from 'node:v8';",
      "setFlagsFromString('--no-opt');",
      "process.on('exit', () => undefined);",
      'setTimeout(() => undefined, 1).unref();',
      "process.env.SLUICE_IMPORTED = 'yes';",
    ];
    const url = new URL(`data:text/javascript,${encodeURIComponent(lines.join('\n'))}`);
    assert.deepEqual(await effectsOf(url), ['the flag --no-opt', 'Timeout', 'listeners', 'environment']);
  });
});
