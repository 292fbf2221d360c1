import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Entry, Order } from './trace.ts';

const TRACER = new URL('tracer.ts', import.meta.url).href;
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The broker of a checkout in a process of its own, with its functions watched. */
export class TracedBroker implements AsyncDisposable {
  readonly amqpPort: number;
  readonly kafkaPort: number;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(child: ChildProcess, directory: string, line: string) {
    this.#child = child;
    this.#directory = directory;
    this.amqpPort = portIn(line, 'amqp');
    this.kafkaPort = portIn(line, 'kafka');
  }

  /** `root`: of the checkout. */
  static async start(root: string): Promise<TracedBroker> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-walks-'));
    const flags = [
      '--data-dir',
      directory,
      '--amqp-port',
      '0',
      '--kafka-port',
      '0',
      '--http-port',
      'off',
      '--log-level',
      'warn',
    ];
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--import',
        TRACER,
        join(root, 'src/cli/main.ts'),
        'start',
        ...flags,
      ],
      { env: { ...process.env, WALK_ROOT: root }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
    );
    const [line] = await Promise.race([once(createInterface(child.stdout!), 'line'), once(child, 'close')]);
    if (!String(line).startsWith('sluice ready ')) {
      child.kill('SIGKILL');
      await rm(directory, { recursive: true, force: true });
      throw new Error(`the broker of ${root} did not start`);
    }
    return new TracedBroker(child, directory, String(line));
  }

  /** Walks a few times so that it is known which functions run; then they are watched. */
  async learn(walk: () => Promise<void>, times: number): Promise<void> {
    await this.#tell('learn');
    for (let i = 0; i < times; i++) await walk();
    await this.#tell('arm');
  }

  /** The functions that are entered while `walk` runs. */
  async trace(walk: () => Promise<void>): Promise<readonly Entry[]> {
    await this.#tell('start');
    await walk();
    return (await this.#tell('stop')) as readonly Entry[];
  }

  async #tell(order: Order): Promise<unknown> {
    this.#child.send(order);
    const [answer] = await once(this.#child, 'message');
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function portIn(line: string, protocol: string): number {
  const port = new RegExp(` ${protocol}=\\S+:(\\d+)`).exec(line)?.[1];
  if (port === undefined) throw new Error(`no port for ${protocol} in: ${line}`);
  return Number(port);
}
