import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

const FLAGS = ['--amqp-port', '0', '--kafka-port', '0', '--log-level', 'warn'];

/**
 * `large`: all that a test writes is in one file of the journal, and no snapshot is taken before the broker stops. `small`,
 * as far as the settings allow: it reaches segments, and snapshots of a broker that runs, as journal files are retired.
 */
export type Sizes = 'large' | 'small';

const SIZES: Readonly<Record<Sizes, readonly string[]>> = {
  large: ['--journal-file-size', '64MiB'],
  small: ['--memory-limit', '8MiB', '--journal-file-size', '1MiB', '--journal-limit', '2MiB'],
};

export type Json = { readonly [field: string]: unknown };

/** A broker and its command, run from the sources in `source`. */
export class Broker {
  readonly source: string;
  readonly dataDirectory: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  #ports: ReadonlyMap<string, number> = new Map();
  #log = '';

  private constructor(source: string, dataDirectory: string, sizes: Sizes) {
    this.source = source;
    this.dataDirectory = dataDirectory;
    const flags = ['--data-dir', dataDirectory, ...FLAGS, ...SIZES[sizes]];
    this.#child = spawn(join(source, 'bin/sluice'), ['start', ...flags], {
      env: environment(source),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    this.#child.stderr!.setEncoding('utf8').on('data', (part: string) => {
      this.#log = (this.#log + part).slice(-4000);
    });
  }

  /** @throws with what the broker logged if it ends instead. */
  static async start(source: string, dataDirectory: string, sizes: Sizes): Promise<Broker> {
    const broker = new Broker(source, dataDirectory, sizes);
    const [line] = await Promise.race([once(createInterface(broker.#child.stdout!), 'line'), broker.#ended]);
    if (!String(line).startsWith('sluice ready ')) throw new Error(`no start from ${source}: ${broker.#log}`);
    const ports = String(line).matchAll(/ (\w+)=127\.0\.0\.1:(\d+)/g);
    broker.#ports = new Map(Array.from(ports, ([, protocol, port]) => [String(protocol), Number(port)]));
    return broker;
  }

  port(protocol: 'amqp' | 'kafka'): number {
    return this.#ports.get(protocol)!;
  }

  get log(): string {
    return this.#log;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with the exit status. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<unknown> {
    this.#child.kill(signal);
    const [status] = await this.#ended;
    return status;
  }

  /** Runs `sluice` with these arguments. @throws with what it said if the broker refuses. */
  async cli(args: readonly string[], input = ''): Promise<string> {
    const child = spawn(join(this.source, 'bin/sluice'), [...args, '--data-dir', this.dataDirectory], {
      env: environment(this.source),
    });
    child.stdin.end(input);
    const [output, errors, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    if (status !== 0) throw new Error(`sluice ${args.join(' ')}: ${errors}`);
    return output;
  }

  /** Asks the HTTP API on the control socket. */
  async get(path: string): Promise<unknown> {
    return JSON.parse(await this.#ask('GET', path, ''));
  }

  async put(path: string, body: Json): Promise<void> {
    await this.#ask('PUT', path, JSON.stringify(body));
  }

  async #ask(method: string, path: string, body: string): Promise<string> {
    const pointer = join(this.dataDirectory, 'control.path');
    const socketPath = existsSync(pointer)
      ? readFileSync(pointer, 'utf8').trim()
      : join(this.dataDirectory, 'control.sock');
    const asked = request({ socketPath, method, path });
    asked.end(body);
    const [response] = await once(asked, 'response');
    const answer = await text(response);
    if (response.statusCode >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${answer}`);
    return answer;
  }
}

/** Without settings of the user's; what is compiled of a source outside the checkout is not kept beyond that source. */
function environment(source: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const isCheckout = existsSync(join(source, '.git'));
  return {
    ...Object.fromEntries(kept),
    ...(isCheckout ? {} : { NODE_COMPILE_CACHE: join(source, '.compiled') }),
  };
}
