import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildShim } from '../../crash/failing-disk.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const NOBODY = 65_534;

let scratch: string;

/** Root may do everything: then the command runs as nobody. */
function run(words: readonly string[], asAnotherUser = false, more: NodeJS.ProcessEnv = {}): ChildProcess {
  const isRoot = process.getuid?.() === 0;
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: '', NODE_DISABLE_COMPILE_CACHE: '1', ...more },
    ...(asAnotherUser && isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
}

function start(directory: string, asAnotherUser = false, more: NodeJS.ProcessEnv = {}): ChildProcess {
  const flags = ['--data-dir', directory, '--amqp-port', '0', '--kafka-port', 'off'];
  return run(['start', ...flags], asAnotherUser, more);
}

async function outcome(child: ChildProcess): Promise<{ status: number | null; text: string }> {
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const [status] = await once(child, 'close');
  return { status, text };
}

function directory(name: string): string {
  const path = join(scratch, name);
  mkdirSync(path);
  return path;
}

before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'sluice-directory-'));
  chmodSync(scratch, 0o755);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('a data directory that cannot be used', { skip: process.platform === 'win32' }, () => {
  it("that is another user's: the start names owner, mode, the rights that are needed, and a command", async () => {
    const other = directory('other');
    chmodSync(other, process.getuid?.() === 0 ? 0o700 : 0);
    const { status, text } = await outcome(start(other, true));
    chmodSync(other, 0o700);
    assert.equal(status, 1, text);
    assert.match(
      text,
      /directory '.*other' belongs to user '.*' \(uid \d+\) and has mode 0[07]00; this process is .* and has to read, write and search it: .*(chown -R \d+|chmod u\+rwx) .*other/,
    );
  });

  it("whose files are another user's: the file is named with its owner", async () => {
    const files = directory('files');
    chmodSync(files, 0o777);
    writeFileSync(join(files, 'sluice.lock'), '');
    chmodSync(join(files, 'sluice.lock'), process.getuid?.() === 0 ? 0o600 : 0);
    const { status, text } = await outcome(start(files, true));
    assert.equal(status, 1, text);
    assert.match(text, /file '.*sluice\.lock' belongs to .* and has to read and write it/);
  });

  it('whose control.path cannot be read: the command says who may administer the broker', async () => {
    const pointed = directory('pointed');
    writeFileSync(join(pointed, 'control.path'), '/nowhere\n');
    chmodSync(join(pointed, 'control.path'), process.getuid?.() === 0 ? 0o600 : 0);
    const { status, text } = await outcome(run(['queues', 'list', '--data-dir', pointed], true));
    assert.equal(status, 1);
    assert.match(
      text,
      /^sluice: no permission to use '.*control\.path': only the user whom the broker runs as .* belongs to /,
    );
  });

  it('below one that takes no directories: the start ends, and says so', async () => {
    const { status, text } = await outcome(
      start(process.platform === 'linux' ? '/proc/foo' : '/dev/null/foo'),
    );
    assert.equal(status, 1);
    assert.match(text, /\/proc\/foo.*takes no new directories|\/dev\/null/);
  });

  it('in which the file system hangs: the start says where it is, and a signal ends it', async (t) => {
    const hanging = directory('hanging');
    const shim = await buildShim();
    if (shim === null) return t.skip('there is no C compiler');
    t.after(() => shim.remove());
    const fault = { FAULT_CALL: 'open', FAULT_PATH: 'sluice.lock.holder', FAULT_DELAY_MS: '600000' };
    const child = start(hanging, false, { LD_PRELOAD: shim.path, ...fault });
    for await (const line of createInterface(child.stderr!)) {
      if (/the start takes its time: still locking the data directory .*hanging/.test(line)) break;
    }
    child.kill('SIGTERM');
    const [status, signal] = await once(child, 'close');
    assert.deepEqual([status, signal], [null, 'SIGTERM']);
  });
});
