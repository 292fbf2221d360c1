/** The processes that a measurement starts: none of them outlives it, however it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';

/** How to end what runs now: whoever interrupts a measurement does not want to look for its processes. */
export const running = new Map<ChildProcess, () => Promise<void>>();
/** What is done when they have ended. */
export const cleanups = new Set<() => Promise<void>>();
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    isInterrupted = true;
    await Promise.all([...running.values()].map((endNow) => endNow()));
    await Promise.all([...cleanups].map((cleanUp) => cleanUp()));
    process.exit(1);
  });
}
process.on('exit', () => {
  for (const child of running.keys()) child.kill('SIGKILL');
});

/** Called before a process is started or a directory made: nothing begins after an interrupt. */
export function throwIfInterrupted(): void {
  if (isInterrupted) throw new Error('interrupted');
}

export const READY_MS = 60_000;
const STOP_MS = 30_000;

/** Waits for the broker's end; SIGKILL if it does not come in time. */
export async function end(
  child: ChildProcess,
  pid: number | undefined,
  signal: NodeJS.Signals,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  process.kill(pid, signal);
  const timer = setTimeout(() => process.kill(pid, 'SIGKILL'), STOP_MS);
  await ended;
  running.delete(child);
  clearTimeout(timer);
}

/** Keeps the last of what a process says on standard error, for the message when it does not start. */
export function tail(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-2000);
  });
  return () => text;
}

export interface OutputOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Instead of being kept for the message of a failure, standard error goes to the terminal. */
  readonly showsErrors?: true;
}

/** Runs a program to its end and returns what it printed; an error has the last of what it said on standard error. */
export async function output(
  command: string,
  args: readonly string[],
  { showsErrors, ...options }: OutputOptions = {},
): Promise<string> {
  throwIfInterrupted();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...options,
      stdio: ['ignore', 'pipe', showsErrors ? 'inherit' : 'pipe'],
    });
    running.set(child, () => end(child, child.pid, 'SIGKILL'));
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    const errors = tail(child);
    child.once('error', reject).once('close', (code) => {
      running.delete(child);
      if (code === 0) resolve(Buffer.concat(chunks).toString());
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}\n${errors()}`));
    });
  });
}

/**
 * Runs a program until it has printed a line, returns that line and kills it: for programs that are busy to the end, of
 * which Node now and then does not get rid in process.exit (it waits for a thread of V8 that waits for the main one).
 */
export async function outputLine(command: string, args: readonly string[]): Promise<string> {
  throwIfInterrupted();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.set(child, () => end(child, child.pid, 'SIGKILL'));
  const errors = tail(child);
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    child.once('error', reject).once('close', (code) => {
      running.delete(child);
      reject(new Error(`${command} ${args.join(' ')} ended with ${code}\n${errors()}`));
    });
  });
  await end(child, child.pid, 'SIGKILL');
  return line;
}

/** RabbitMQ and Kafka open their listeners last, so an open port is a broker that is ready. */
export async function portOpens(child: ChildProcess, port: number, errors: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}\n${errors()}`);
    if (await canConnect(port)) return;
    if (performance.now() > deadline) {
      child.kill('SIGTERM');
      throw new Error(`the peer was not ready in time\n${errors()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
