import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Inspector } from './inspector.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const FLAGS = [
  '--amqp-port',
  '0',
  '--kafka-port',
  '0',
  '--log-level',
  'error',
  '--handshake-timeout',
  '3',
  '--memory-limit',
  '16MiB',
];

/** The broker as users run it, in a process of its own, with the inspector open for its tester. */
export class FuzzedBroker {
  readonly port: number;
  readonly kafkaPort: number;
  readonly pid: number;
  readonly inspector: Inspector;
  /** Lines of its log: there are none but of errors. */
  readonly errors: string[] = [];
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    ports: { readonly amqp: number; readonly kafka: number },
    inspector: Inspector,
  ) {
    this.#child = child;
    this.port = ports.amqp;
    this.kafkaPort = ports.kafka;
    this.pid = child.pid ?? 0;
    this.inspector = inspector;
  }

  /** `isApart`: a signal to the group of this process, as Ctrl+C sends it, leaves the broker to its tester. */
  static async start(dataDirectory: string, isApart = false): Promise<FuzzedBroker> {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(SLUICE_|NODE_TEST|NODE_OPTIONS)/.test(name)),
    );
    const child = spawn(LAUNCHER, ['start', '--data-dir', dataDirectory, ...FLAGS], {
      env: { ...env, NODE_OPTIONS: '--inspect=127.0.0.1:0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: isApart,
    });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('close', () => process.off('exit', kill));
    const said: string[] = [];
    let hear = (line: string) => void said.push(line);
    const inspectable = new Promise<string>((resolve) => {
      createInterface(child.stderr).on('line', (line) => {
        const url = /^Debugger listening on (ws:\S+)/.exec(line)?.[1];
        if (url !== undefined) resolve(url);
        else if (!/^(For help, see|Debugger (attached|ending)|$)/.test(line)) hear(line);
      });
    });
    const ended = once(child, 'close').then(() => Promise.reject(new Error(`no broker: ${said.join('\n')}`)));
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
    ended.catch(() => undefined);
    const portOf = (protocol: string) =>
      Number(new RegExp(` ${protocol}=\\S+:(\\d+)`).exec(String(line))?.[1]);
    const ports = { amqp: portOf('amqp'), kafka: portOf('kafka') };
    const broker = new FuzzedBroker(child, ports, await Inspector.connect(await inspectable));
    broker.errors.push(...said);
    hear = (text) => void broker.errors.push(text);
    return broker;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** By SIGTERM, so that it is seen that it still can. Null if it did not end. */
  async stop(): Promise<number | null> {
    if (this.hasEnded) return this.#child.exitCode;
    this.inspector.close();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
    this.#child.kill('SIGTERM');
    await once(this.#child, 'close');
    clearTimeout(timer);
    return this.#child.exitCode;
  }
}

/** What is alive in the broker, by the names of classes and of what clients declared. */
export interface Survey {
  readonly counts: Readonly<Record<string, number>>;
  readonly queues: readonly string[];
  readonly exchanges: readonly string[];
}

export function survey({ inspector }: FuzzedBroker): Promise<Survey> {
  return inspector.ofAllObjects(`function () {
    const counts = {};
    const queues = [];
    const exchanges = [];
    for (const each of this) {
      let name;
      try {
        if (Object.hasOwn(each, 'constructor')) continue;
        name = each.constructor?.name;
      } catch {
        continue;
      }
      if (typeof name !== 'string') continue;
      counts[name] = (counts[name] ?? 0) + 1;
      if (name === 'Broker') {
        const vhost = each.vhosts.get('/');
        queues.push(...vhost.listQueues().map((queue) => queue.name));
        exchanges.push(...vhost.listExchanges().map((exchange) => exchange.name));
      }
    }
    return { counts, queues, exchanges };
  }`);
}
