import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
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
  readonly #port: Promise<number>;
  #output = '';

  constructor(dataDirectory: string) {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_')),
    );
    this.#child = spawn(LAUNCHER, ['start', '--data-dir', dataDirectory, ...FLAGS], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    const lines = createInterface(this.#child.stdout!);
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-4000);
    });
    const line = Promise.race([once(lines, 'line'), this.#ended]);
    this.#port = line.then(([first]) => {
      const match = /^sluice ready amqp=127\.0\.0\.1:(\d+) /.exec(String(first));
      if (match === null) throw new Error(`the broker did not start: ${this.#output}`);
      return Number(match[1]);
    });
    this.#port.catch(() => undefined);
  }

  /** Rejects with what the broker said if it ends instead. */
  port(): Promise<number> {
    return this.#port;
  }

  /** What it logged last. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
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
