import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ControlClient } from '../../src/cli/admin/client.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const CERTIFICATES = fileURLToPath(new URL('../servers/amqp091/certificates', import.meta.url));
const READY_WITHIN_MS = 60_000;

export interface HostileBrokerOptions {
  readonly dataDirectory: string;
  /** The limit of the control group that it runs in; null for none. */
  readonly memoryBytes: number | null;
  /** Beyond those of its ports. */
  readonly flags?: readonly string[];
}

export interface Ports {
  readonly amqp: number;
  readonly amqps: number;
  readonly kafka: number;
}

/** The broker as users run it, at its defaults, in a process of its own and perhaps in a control group. */
export class HostileBroker {
  readonly ports: Ports;
  readonly pid: number;
  readonly control: ControlClient;
  readonly startMs: number;
  logBytes = 0;
  /** The last lines of its log. */
  readonly lastLines: string[] = [];
  readonly #child: ChildProcess;
  readonly #group: ControlGroup | null;

  private constructor(
    child: ChildProcess,
    ports: Ports,
    control: ControlClient,
    startMs: number,
    group: ControlGroup | null,
  ) {
    this.#child = child;
    this.ports = ports;
    this.pid = child.pid ?? 0;
    this.control = control;
    this.startMs = startMs;
    this.#group = group;
  }

  static async start({
    dataDirectory,
    memoryBytes,
    flags: more = [],
  }: HostileBrokerOptions): Promise<HostileBroker> {
    const group = memoryBytes === null ? null : new ControlGroup(memoryBytes);
    const flags = ['--data-dir', dataDirectory, '--amqp-port', '0', '--kafka-port', '0', '--amqps-port', '0'];
    const tls = [
      '--tls-cert',
      join(CERTIFICATES, 'server.pem'),
      '--tls-key',
      join(CERTIFICATES, 'server.key'),
    ];
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(SLUICE_|NODE_TEST|NODE_OPTIONS)/.test(name)),
    );
    const begin = performance.now();
    // The launcher is one process with the broker; a shell that joins the group first becomes it.
    const join_ = group === null ? '' : `echo $$ > '${group.processesFile}' && `;
    const child = spawn(
      '/bin/sh',
      ['-c', `${join_}exec "$0" "$@"`, LAUNCHER, 'start', ...flags, ...tls, ...more],
      {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const said: string[] = [];
    let logBytes = 0;
    let hear = (line: string) => void said.push(line);
    createInterface(child.stderr).on('line', (line) => {
      logBytes += line.length + 1;
      hear(line);
    });
    const ready = await firstLine(child, said);
    const startMs = performance.now() - begin;
    const portOf = (protocol: string) => Number(new RegExp(` ${protocol}=\\S+:(\\d+)`).exec(ready)?.[1]);
    const ports = { amqp: portOf('amqp'), amqps: portOf('amqps'), kafka: portOf('kafka') };
    const broker = new HostileBroker(child, ports, new ControlClient(dataDirectory), startMs, group);
    hear = (line) => {
      broker.lastLines.push(line);
      if (broker.lastLines.length > 20) broker.lastLines.shift();
    };
    Object.defineProperty(broker, 'logBytes', { get: () => logBytes });
    return broker;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async addUser(name: string, password: string, tags = ''): Promise<void> {
    await this.control.put(['users', name], { password, tags });
    await this.control.put(['permissions', '/', name], { configure: '.*', write: '.*', read: '.*' });
  }

  /** Resident memory now, and the most it ever was, in bytes. */
  async memory(): Promise<{ readonly resident: number; readonly highest: number }> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '');
    const bytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
    return { resident: bytes('VmRSS'), highest: bytes('VmHWM') };
  }

  /** By SIGTERM. Returns the exit code, null if it had to be killed, and how long that took. */
  async stop(): Promise<{ readonly code: number | null; readonly ms: number }> {
    const begin = performance.now();
    if (!this.hasEnded) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
      this.#child.kill('SIGTERM');
      await once(this.#child, 'close');
      clearTimeout(timer);
    }
    this.#group?.remove();
    return { code: this.#child.exitCode, ms: performance.now() - begin };
  }
}

async function firstLine(child: ChildProcess, said: readonly string[]): Promise<string> {
  const ended = once(child, 'close').then(() => Promise.reject(new Error(`no broker: ${said.join('\n')}`)));
  const late = AbortSignal.timeout(READY_WITHIN_MS);
  const [line] = await Promise.race([once(createInterface(child.stdout!), 'line', { signal: late }), ended]);
  ended.catch(() => undefined);
  return String(line);
}

/** A control group of Linux with a memory limit; only where it may be made, as by root. */
class ControlGroup {
  readonly processesFile: string;
  readonly #directory: string;

  /** @throws Error if this machine has none */
  constructor(memoryBytes: number) {
    const [base, limitFile] = existsSync('/sys/fs/cgroup/memory')
      ? ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes']
      : ['/sys/fs/cgroup', 'memory.max'];
    this.#directory = join(base, `sluice-hostile-${process.pid}-${Date.now()}`);
    try {
      mkdirSync(this.#directory);
      writeFileSync(join(this.#directory, limitFile), String(memoryBytes));
    } catch (error) {
      throw new Error(`no control group can be made here (${String(error)}): run without --memory`);
    }
    this.processesFile = join(this.#directory, 'cgroup.procs');
  }

  remove(): void {
    try {
      rmdirSync(this.#directory);
    } catch {
      // The kernel may still be at it; an empty group does no harm.
    }
  }
}
