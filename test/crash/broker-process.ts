import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
/** Starts several shards, which is no setting yet. */
const SHARDS_PROGRAM = fileURLToPath(new URL('../support/start-shards.ts', import.meta.url));
/** As small as the settings allow, so that a test gets to segments, snapshots and retired journal files. */
const FLAGS = [
  '--amqp-port',
  '0',
  '--kafka-port',
  'off',
  '--memory-limit',
  '8MiB',
  '--journal-file-size',
  '1MiB',
  '--journal-limit',
  '2MiB',
];

/** The broker as users run it, in a process of its own. */
export class BrokerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #ports: Promise<ReadonlyMap<string, number>>;
  #output = '';

  /** What `flags` says comes last, and counts. With several shards each connection is in any of them. */
  constructor(
    dataDirectory: string,
    flags: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    shards = 1,
  ) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    const env = { ...Object.fromEntries(inherited), ...environment };
    const words = ['--data-dir', dataDirectory, ...FLAGS, ...flags];
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    this.#child =
      shards === 1
        ? spawn(LAUNCHER, ['start', ...words], { env, stdio })
        : spawn(
            process.execPath,
            [
              '--disable-warning=ExperimentalWarning',
              SHARDS_PROGRAM,
              JSON.stringify({ count: shards }),
              ...words,
            ],
            { env, stdio },
          );
    this.#ended = once(this.#child, 'close');
    const lines = createInterface(this.#child.stdout!);
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-4000);
    });
    const line = Promise.race([once(lines, 'line'), this.#ended]);
    this.#ports = line.then(([first]) => {
      if (!String(first).startsWith('sluice ready ')) {
        throw new Error(`the broker did not start: ${this.#output}`);
      }
      const ports = String(first).matchAll(/ (\w+)=127\.0\.0\.1:(\d+)/g);
      return new Map(Array.from(ports, ([, protocol, port]) => [protocol, Number(port)]));
    });
    this.#ports.catch(() => undefined);
  }

  /** Rejects with what the broker said if it ends instead. */
  async port(protocol = 'amqp'): Promise<number> {
    const port = (await this.#ports).get(protocol);
    if (port === undefined) throw new Error(`the broker does not listen for ${protocol}`);
    return port;
  }

  /** What it logged last. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with its exit status when it has ended. */
  async ended(): Promise<unknown> {
    const [status] = await this.#ended;
    return status;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Asks it to stop; resolves with its exit status. */
  async stop(): Promise<unknown> {
    this.#child.kill('SIGTERM');
    const [status] = await this.#ended;
    return status;
  }
}
