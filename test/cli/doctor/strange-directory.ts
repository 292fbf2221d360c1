import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TestBroker } from '../../broker/test-broker.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const NOBODY = 65_534;
/** Long enough for a start on a busy machine; what waits for a pipe waits for ever. */
const HANGS_MS = 60_000;

/** What stands in the place of a name of the data directory. */
export const KINDS: Readonly<Record<string, (path: string) => void>> = {
  'a pipe': (path) => void execFileSync('mkfifo', [path]),
  'a directory with a file in it': (path) => {
    mkdirSync(path);
    writeFileSync(join(path, 'precious'), 'somebody wants this');
  },
  'an empty file': (path) => writeFileSync(path, ''),
  'a file of something else': (path) => writeFileSync(path, 'something else\n'.repeat(100)),
  'a link to itself': (path) => symlinkSync(path, path),
  'a link to nothing': (path) => symlinkSync(`${path}.gone`, path),
  'what may not be read': (path) => {
    writeFileSync(path, '');
    chmodSync(path, 0);
  },
};

/** The names that a data directory has, or had, or could have. `''` is the directory itself. */
export const NAMES: readonly string[] = [
  '',
  'sluice.lock',
  'sluice.lock.holder',
  'control.sock',
  'control.path',
  'snapshot',
  'snapshot.new',
  'journal',
  'journal/FIRST',
  'journal/0000000001.spare',
  'logs',
  'logs/newest-snapshot',
  'logs/FIRST',
  'logs/FIRST/FIRST',
  'set-aside',
];

/** What a broker leaves behind that had a queue with segments, and was stopped in order. */
export async function makeTemplate(directory: string): Promise<void> {
  const options = { memoryLimitBytes: 256 * 1024, chunkBytes: 64 * 1024, journalFileBytes: 256 * 1024 };
  const test = await TestBroker.on(directory, { ...options, journalLimitBytes: 512 * 1024 });
  test.queue('q', { durable: true });
  for (let i = 0; i < 3000; i++) {
    test.publish('q', `${i}`.padEnd(1000, '.'));
    if (i % 100 === 0) await test.flush();
  }
  await test.flush();
  await test.broker.close();
  mkdirSync(join(directory, 'set-aside'));
  writeFileSync(join(directory, 'set-aside/logs-9'), 'of an earlier start');
}

/** Puts something else in the place of a name; gives its path. */
function replace(directory: string, name: string, kind: string): string {
  let path = directory;
  for (const part of name.split('/').filter(Boolean))
    path = join(path, part === 'FIRST' ? firstIn(path) : part);
  rmSync(path, { recursive: true, force: true });
  KINDS[kind]!(path);
  return path;
}

function firstIn(path: string): string {
  return (
    readdirSync(path)
      .filter((name) => /^\d+(\.log|\.journal)?$/.test(name))
      .sort()[0] ?? '1'
  );
}

export interface Outcome {
  readonly status: number | null;
  readonly isReady: boolean;
  readonly hangs: boolean;
  readonly text: string;
}

/**
 * Runs a command on a copy of the template in `home`, with something else in the place of a name, as a user who is not root.
 * A broker that is ready is stopped.
 */
export async function runOnStrange(
  { template, home, cache }: { readonly template: string; readonly home: string; readonly cache: string },
  { name, kind, words }: { readonly name: string; readonly kind: string; readonly words: readonly string[] },
): Promise<Outcome & { readonly path: string }> {
  const directory = join(home, 'data');
  mkdirSync(home, { recursive: true });
  cpSync(template, directory, { recursive: true });
  const path = replace(directory, name, kind);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) execFileSync('chown', ['-hR', `${NOBODY}:${NOBODY}`, home]);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', MAIN, ...words, '--data-dir', directory],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, LAUNCHED_AS: 'sluice', NODE_COMPILE_CACHE: cache },
      ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    },
  );
  let text = '';
  let isReady = false;
  let hangs = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (isReady || !/^sluice ready /m.test(text)) return;
      isReady = true;
      child.kill('SIGTERM');
    });
  }
  const timer = setTimeout(() => {
    hangs = true;
    child.kill('SIGKILL');
  }, HANGS_MS);
  const [status] = await once(child, 'close');
  clearTimeout(timer);
  return { status, isReady, hangs, text, path };
}
