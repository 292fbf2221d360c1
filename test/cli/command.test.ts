import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  file: string,
  words: readonly string[],
  environment: Record<string, string> = {},
): Promise<Outcome> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const env = { ...Object.fromEntries(inherited), XDG_CACHE_HOME: join(scratch, 'cache'), ...environment };
  return new Promise((resolve) => {
    execFile(file, words, { env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

let scratch: string;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
});
after(() => rm(scratch, { recursive: true }));

describe('the sluice command', () => {
  it('prints its version', async () => {
    const { status, stdout } = await run(LAUNCHER, ['--version']);
    assert.deepEqual({ status, stdout }, { status: 0, stdout: '0.1.0\n' });
  });

  const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['a subcommand that does not exist', ['strat'], /unknown command 'strat'[\s\S]*start/],
    [
      'a flag that does not exist',
      ['start', '--amqp-prot', '1'],
      /unknown option '--amqp-prot'[\s\S]*--amqp-port/,
    ],
    ['a word too many', ['start', 'now'], /too many arguments/],
    ['a flag of others', ['start', '--port', '1'], /'--port' \(did you mean --amqp-port or --kafka-port\?\)/],
    ['a mistyped flag', ['start', '--hots', 'x'], /'--hots' \(did you mean --host\?\)/],
    [
      'help about what there is not',
      ['help', 'quues'],
      /^sluice: unknown command 'quues' \(did you mean 'queues'\?\)/,
    ],
    [
      'a command that others of its kind have',
      ['queues', 'describe', 'q'],
      /^sluice: unknown command 'describe'; 'sluice queues' has list, show, add, delete, purge\n/,
    ],
    ['a mistyped command', ['quues', 'list'], /'quues' \(did you mean 'queues'\?\)/],
    ['a wrong value', ['start', '--durability', 'maybe'], /^sluice: --durability: 'maybe' .*interval:/],
    [
      'a port of a protocol that is not built',
      ['start', '--mqtt-port', '0'],
      /--mqtt-port: not built in this version/,
    ],
    ['nothing to listen on', ['start', '--amqp-port', 'off', '--kafka-port', 'off'], /every listener is off/],
    [
      'a file that is not there',
      ['start', '--config', '/nowhere/s.toml'],
      /'\/nowhere\/s\.toml': there is no such file/,
    ],
  ];
  for (const [mistake, words, message] of mistakes) {
    it(`ends with 2 and a message for ${mistake}`, async () => {
      const { status, stdout, stderr } = await run(LAUNCHER, words);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^ +at /m);
    });
  }

  it('prints the effective configuration, read from a file that the environment names', async () => {
    const file = join(scratch, 'sluice.toml');
    await writeFile(file, 'heartbeat = 7\n');
    const { stdout } = await run(LAUNCHER, ['config', '--host', '::'], { SLUICE_CONFIG: file });
    assert.match(stdout, /^heartbeat = "7s" +# .*sluice\.toml:1$/m);
    assert.match(stdout, /^host = "::" +# --host$/m);
  });
});

/** A package root in which only the launcher is real: `main` prints what reached it. */
async function fakePackage(root: string, main: 'src/cli/main.ts' | 'dist/cli/main.js'): Promise<string> {
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, main, '..'), { recursive: true });
  await cp(LAUNCHER, join(root, 'bin/sluice'));
  await writeFile(join(root, main), 'console.log(process.argv[1], process.pid, ...process.argv.slice(2))\n');
  return join(root, 'bin/sluice');
}

/** A script that says that it is of the version, and becomes this Node. */
async function fakeNode(path: string, version: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(
    path,
    `#!/bin/sh\n[ "$1" = --version ] && echo ${version} && exit\nexec '${process.execPath}' "$@"\n`,
  );
  await chmod(path, 0o755);
}

describe('the launcher', { skip: process.platform === 'win32' }, () => {
  it('becomes the process itself, so that signals and the exit status are those of the broker', async () => {
    const launcher = await fakePackage(join(scratch, 'exec'), 'src/cli/main.ts');
    await symlink(process.execPath, join(scratch, 'exec/bin/node'));
    const script = `"${launcher}" & echo "$!"; wait`;
    const { stdout } = await run('sh', ['-c', script], {
      PATH: `${join(scratch, 'exec/bin')}:${process.env.PATH}`,
    });
    const [started, printed] = stdout.trim().split('\n');
    assert.equal(printed?.split(' ')[1], started);
  });

  it('prefers the Node that came with the package to that of the system', async () => {
    const root = join(scratch, 'own');
    const launcher = await fakePackage(root, 'src/cli/main.ts');
    await fakeNode(join(root, 'node_modules/.bin/node'), 'v24.9.9');
    const { stdout, status } = await run(launcher, ['a b', 'c'], { PATH: '/usr/bin:/bin' });
    assert.equal(status, 0);
    assert.match(stdout, /own\/src\/cli\/main\.ts \d+ a b c\n/);
  });

  it('works through symbolic links, as a dependency, and runs the build where there are no sources', async () => {
    const project = join(scratch, 'a project');
    await fakePackage(join(project, 'node_modules/sluice'), 'dist/cli/main.js');
    await fakeNode(join(project, 'node_modules/.bin/node'), 'v25.0.0');
    await symlink('../sluice/bin/sluice', join(project, 'node_modules/.bin/sluice'));
    await symlink(join(project, 'node_modules/.bin/sluice'), join(scratch, 'sluice'));
    const { stdout, stderr } = await run(join(scratch, 'sluice'), ['start'], { PATH: '/usr/bin:/bin' });
    assert.match(stdout, /node_modules\/sluice\/dist\/cli\/main\.js \d+ start\n/, stderr);
  });

  it('runs the build of a checkout as long as no source is newer', async () => {
    const root = join(scratch, 'built');
    const launcher = await fakePackage(root, 'src/cli/main.ts');
    await fakePackage(root, 'dist/cli/main.js');
    await fakeNode(join(root, 'node_modules/.bin/node'), 'v24.9.9');
    const ran = async () => (await run(launcher, [], { PATH: '/usr/bin:/bin' })).stdout.split(' ')[0];
    const touch = (path: string, seconds: number) => utimes(join(root, path), seconds, seconds);
    for (const path of ['src', 'src/cli', 'src/cli/main.ts']) await touch(path, 1000);
    await touch('dist/cli/main.js', 2000);
    assert.match(await ran(), /built\/dist\/cli\/main\.js$/);
    await touch('src/cli/main.ts', 3000);
    assert.match(await ran(), /built\/src\/cli\/main\.ts$/);
    await touch('src/cli/main.ts', 1000);
    // As when a source was deleted.
    await touch('src/cli', 3000);
    assert.match(await ran(), /built\/src\/cli\/main\.ts$/);
  });

  it('and npm run dev run the sources with the same flags', async () => {
    const text = await readFile(LAUNCHER, 'utf8');
    const { scripts } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    const flagsOf = (words: string) => [...(words.match(/--(?!watch|data-dir)[\w=-]+/g) ?? [])].sort();
    // Where they are named for Node 24, and where the main module is run.
    const launched = text.split('\n').filter((line) => /flags=|^exec "\$node"/.test(line));
    assert.ok(flagsOf(launched.join(' ')).length > 3);
    assert.deepEqual(flagsOf(scripts.dev), flagsOf(launched.join(' ')));
  });

  it('passes by a Node that is too old, and says what to do when there is no other', async () => {
    const root = join(scratch, 'old');
    const launcher = await fakePackage(root, 'src/cli/main.ts');
    await fakeNode(join(root, 'node_modules/.bin/node'), 'v22.1.0');
    await fakeNode(join(root, 'system/node'), 'v20.20.2');
    const { status, stdout, stderr } = await run(launcher, [], { PATH: `${join(root, 'system')}:/bin` });
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /no Node 24 or newer was found[\s\S]*v20\.20\.2[\s\S]*npm ci[\s\S]*nodejs\.org/);

    await fakeNode(join(root, 'system/node'), 'v24.0.0');
    assert.equal((await run(launcher, [], { PATH: `${join(root, 'system')}:/bin` })).status, 0);
  });
});
