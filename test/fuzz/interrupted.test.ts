import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

/** More streams than there is time for: a run ends for another reason. */
const ENDLESS = ['--streams', '100000000', '--workers', '4', '--seed', '7'];

/** Runs a fuzzer to its end; `begun` is called once, with its broker's process and its own, when streams are sent. */
async function run(
  main: string,
  begun: (brokerPid: number, pid: number) => void,
): Promise<{ lines: readonly string[]; status: number | null }> {
  const program = fileURLToPath(new URL(main, import.meta.url));
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [program, ...ENDLESS], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    const pid = /^the broker is process (\d+)/.exec(line)?.[1];
    if (pid !== undefined) begun(Number(pid), child.pid ?? 0);
  });
  const [status] = await once(child, 'close');
  return { lines, status };
}

for (const main of ['main.ts', 'kafka/main.ts']) {
  describe(`a run of test/fuzz/${main}`, () => {
    it('that is interrupted reports what it did until then, and leaves no broker', async () => {
      let broker = 0;
      const { lines, status } = await run(main, (brokerPid, pid) => {
        broker = brokerPid;
        process.kill(pid, 'SIGINT');
      });
      assert.match(lines.join('\n'), /^fuzz: \d+ streams over .* 0 findings$/m);
      assert.equal(status, 0);
      assert.throws(() => process.kill(broker, 0), { code: 'ESRCH' });
    });

    it('tells a finding when it is made, before the report', async () => {
      const { lines, status } = await run(main, (brokerPid) => process.kill(brokerPid, 'SIGKILL'));
      const found = lines.findIndex((line) => /^found: .*the broker has ended/.test(line));
      const report = lines.findIndex((line) => line.startsWith('fuzz: '));
      assert.ok(found >= 0 && found < report, lines.join('\n'));
      assert.equal(status, 1);
    });
  });
}
