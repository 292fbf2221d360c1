import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { BLOCKS, type Block, type BlockPage } from './fenced-blocks.ts';
import { ROOT } from './pages.ts';

/** Blocks that are not run, by how they begin, and why. */
const NOT_RUN: readonly { readonly page: string; readonly begins: string; readonly because: string }[] = [
  { page: 'docs/operations.md', begins: '[Service]', because: 'a unit file, for systemd' },
  {
    page: 'docs/operations.md',
    begins: 'sluice ready',
    because: 'output of the start, which other blocks show',
  },
  { page: 'docs/tls.md', begins: 'backend amqp', because: "a part of HAProxy's configuration" },
  { page: 'docs/shards.md', begins: ' clients', because: 'a drawing' },
  {
    page: 'docs/share-groups.md',
    begins: 'var consumer',
    because: 'a part of a Java program; test/interop/kafka-clients-java has it whole',
  },
];

/** What a block needs beside the checkout. Where it is missing the block is listed as not run here. */
const TOOLS = ['kcat', 'amqp-publish', 'curl', 'openssl', 'kafka-configs.sh', 'kafka-topics.sh'];
const PYTHON_MODULES = ['pika', 'confluent_kafka'];

const NODE_24 = process.execPath;
const READY_MS = 60_000;
const BLOCK_MS = 60_000;

function isThere(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, tool)));
}

function hasModule(name: string): boolean {
  try {
    execFileSync('python3', ['-c', `import ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What this machine lacks for a block, or null. */
function lacks({ language, text }: Block): string | null {
  if (language === 'python') {
    const missing = PYTHON_MODULES.filter(
      (name) => text.includes(`import ${name}`) || text.includes(`from ${name}`),
    );
    return missing.find((name) => !hasModule(name)) ?? null;
  }
  return TOOLS.find((tool) => text.includes(tool) && !isThere(tool)) ?? null;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => resolve(true));
  const free = await promise;
  if (free) await new Promise<void>((closed) => server.close(() => closed()));
  return free;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise<void>((closed) => server.close(() => closed()));
  return port;
}

/**
 * A clone as `npm ci` leaves it, of links. `npm ci` itself is left out, and `npx sluice` is the launcher, which is what npx
 * starts (a test below): npm takes a second for each.
 */
class Clone {
  readonly directory = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
  readonly #ports = new Map<string, string>();
  #broker: ChildProcess | null = null;

  static async make(): Promise<Clone> {
    const clone = new Clone();
    for (const name of ['bin', 'src', 'examples', 'node_modules', 'package.json', 'docs', 'scripts']) {
      symlinkSync(join(ROOT, name), join(clone.directory, name));
    }
    const shims = join(clone.directory, 'shims');
    mkdirSync(shims);
    clone.#shim('npx', `[ "$1" = sluice ] || exit 1\nshift\nexec "${join(ROOT, 'bin/sluice')}" "$@"`);
    clone.#shim(
      'npm',
      `case "$1 $2" in 'ci '*) exit 0;; 'start '*) exec "${join(ROOT, 'bin/sluice')}" start;;\n` +
        `'run example') exec "${NODE_24}" examples/one-record-three-readers/main.ts;; *) exit 1;; esac`,
    );
    for (const port of ['5672', '5671', '9092', '9093']) {
      clone.#ports.set(port, (await isFree(Number(port))) ? port : String(await freePort()));
    }
    return clone;
  }

  #shim(name: string, body: string): void {
    const path = join(this.directory, 'shims', name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
  }

  get #environment(): NodeJS.ProcessEnv {
    const { PATH = '' } = process.env;
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    return {
      ...Object.fromEntries(own),
      PATH: [join(this.directory, 'shims'), PATH].join(delimiter),
      SLUICE_AMQP_PORT: this.#ports.get('5672'),
      SLUICE_KAFKA_PORT: this.#ports.get('9092'),
    };
  }

  /** With the ports of this run, where those that are printed are taken. */
  #ported(text: string): string {
    return text.replaceAll(/\b(5672|5671|9092|9093)\b/g, (port) => this.#ports.get(port) ?? port);
  }

  /** Starts a broker by a command that is printed; resolves with its first line. A port may be taken in the last moment. */
  async startBroker(command: string): Promise<string> {
    await this.stopBroker();
    try {
      return await this.#start(command);
    } catch (error) {
      if (!readFileSync(join(this.directory, 'broker.log'), 'utf8').includes('the port is in use'))
        throw error;
      for (const port of this.#ports.keys()) this.#ports.set(port, String(await freePort()));
      return await this.#start(command);
    }
  }

  async #start(command: string): Promise<string> {
    const broker = spawn(
      'sh',
      ['-c', `exec 2>broker.log; ${this.#ported(command).replace(/(^|&& )(?=[^&]*$)/, '$1exec ')}`],
      {
        cwd: this.directory,
        env: this.#environment,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    this.#broker = broker;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => reject(new Error(`${command}: no ready line`)), READY_MS);
    broker.stdout!.setEncoding('utf8').once('data', resolve);
    broker.once('exit', (status) => reject(new Error(`${command}: ended with ${status}`)));
    return await promise.finally(() => clearTimeout(timer));
  }

  get hasBroker(): boolean {
    return this.#broker !== null;
  }

  async stopBroker(): Promise<void> {
    const broker = this.#broker;
    this.#broker = null;
    if (broker === null || broker.exitCode !== null) return;
    const closed = once(broker, 'exit');
    broker.kill('SIGTERM');
    await closed;
  }

  /** The output of a program that has to end with 0. */
  async run(command: string, words: readonly string[]): Promise<string> {
    const child = spawn(command, words, {
      cwd: this.directory,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BLOCK_MS,
    });
    let [output, errors] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors += text;
    });
    const [status] = await once(child, 'close');
    assert.equal(status, 0, `${words.join(' ')}\n${output}${errors}`);
    return output;
  }

  shell(script: string): Promise<string> {
    return this.run('sh', ['-e', '-c', this.#ported(script)]);
  }

  async file(name: string, text: string, command: string): Promise<string> {
    writeFileSync(join(this.directory, name), this.#ported(text));
    return await this.run(command, [name]);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Numbers and the width of columns differ from run to run. */
function loosely(line: string): string {
  return line.replaceAll(/\d+/g, 'N').replaceAll(/\s+/g, ' ').trim();
}

const STARTS = /(^|&& )(npm start|npx sluice start|bin\/sluice start)/;

/** What follows `$ ` is run; the lines between have to be among what comes out, in their order. */
async function runConsole(clone: Clone, text: string): Promise<void> {
  for (const part of text.split(/^\$ /m).slice(1)) {
    const [command = '', ...expected] = part.split('\n');
    const output = STARTS.test(command) ? await clone.startBroker(command) : await clone.shell(command);
    let lines = output.split('\n').map(loosely);
    for (const line of expected.filter((each) => each !== '')) {
      const at = lines.indexOf(loosely(line));
      assert.notEqual(at, -1, `$ ${command}\n${output}\nhas no line such as\n${line}`);
      lines = lines.slice(at + 1);
    }
  }
}

async function runBlock(clone: Clone, { language, text, title }: Block): Promise<void> {
  switch (language) {
    case 'console':
      return await runConsole(clone, text);
    case 'sh':
      return void (await clone.shell(text));
    case 'js':
      return void assert.notEqual(await clone.file(title, text, NODE_24), '', 'it prints something');
    case 'python':
      return void assert.notEqual(await clone.file('program.py', text, 'python3'), '', 'it prints something');
    case 'toml':
      return void (await clone
        .file('sluice.toml', text, 'true')
        .then(() => clone.shell('npx sluice config --config sluice.toml')));
    default:
      assert.fail(
        `${title}: nobody knows how to run a block of '${language}'; say how, or declare it in NOT_RUN`,
      );
  }
}

const notHere: string[] = [];

function declared(page: BlockPage, block: Block): (typeof NOT_RUN)[number] | undefined {
  return NOT_RUN.find(({ page: path, begins }) => path === page.path && block.text.startsWith(begins));
}

describe('the blocks of the pages, run as they are printed', { skip: process.platform === 'win32' }, () => {
  for (const page of BLOCKS) {
    it(page.path, async () => {
      const clone = await Clone.make();
      try {
        for (const block of page.blocks) {
          if (declared(page, block) !== undefined) continue;
          const missing = lacks(block);
          if (missing !== null) {
            notHere.push(`${page.path}:${block.line}: needs ${missing}`);
            continue;
          }
          const isStart =
            block.language === 'console' && STARTS.test(block.text.slice('$ '.length).split('\n')[0]!);
          if (!clone.hasBroker && !isStart) await clone.startBroker('npx sluice start');
          await runBlock(clone, block).catch((error: unknown) => {
            throw new Error(`${page.path}:${block.line}: ${error instanceof Error ? error.message : error}`);
          });
        }
      } finally {
        await clone.stopBroker();
        clone.remove();
      }
    });
  }

  it('are run, or declared with a reason that is still needed', () => {
    for (const { page, begins, because } of NOT_RUN) {
      const found = BLOCKS.find(({ path }) => path === page)?.blocks.some(({ text }) =>
        text.startsWith(begins),
      );
      assert.ok(found, `${page}: no block begins with '${begins}' (${because})`);
    }
  });

  it('begin with a command that is found: `npx sluice` is the launcher of the checkout', () => {
    const output = execFileSync('npx', ['--offline', 'sluice', '--version'], { cwd: ROOT, encoding: 'utf8' });
    assert.match(output, /^\d+\.\d+\.\d+\n$/);
  });

  it('use one form of the command', () => {
    const others = BLOCKS.flatMap(({ path, blocks }) =>
      blocks
        .filter(
          ({ language, text }) =>
            ['sh', 'console', ''].includes(language) && /^(\$ )?sluice (?!ready)/m.test(text),
        )
        .map(({ line }) => `${path}:${line}: write npx sluice`),
    );
    assert.deepEqual(others, []);
  });

  after(() => {
    for (const each of notHere) process.stdout.write(`not run here: ${each}\n`);
  });
});
