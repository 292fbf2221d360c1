/** `npm run bench -- doors`: bytes from one thread to another, through a ring and through message ports. */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { FINE_BITS, Histogram } from '../../src/base/histogram.ts';
import { createRing } from '../../src/broker/doors/ring.ts';
import { createBells } from '../../src/broker/doors/wake-up.ts';
import { describeMachine, type Machine } from '../../src/cli/bench/machine.ts';
import { spread } from '../statistics.ts';
import { LINK_NAMES, type Link, type LinkEnds, type LinkName, type Receive } from './link.ts';
import { openLink, type ThreadFigures, type ThreadPlan } from './thread.ts';

/** What a turn writes under load is as much as a turn of the broker reads from sockets. */
const TURN_BYTES = 64 * 1024;
const CASES = [
  { frameBytes: 100, perTurn: 10 },
  ...[100, 1024, 16 * 1024].map((frameBytes) => ({
    frameBytes,
    perTurn: Math.floor(TURN_BYTES / frameBytes),
  })),
];
const ROUND_TRIPS = 20_000;
const ROUND_TRIPS_WARMUP = 3000;

export interface ThroughputFigures {
  readonly link: LinkName;
  readonly frameBytes: number;
  readonly perTurn: number;
  readonly framesPerSecond: number;
  readonly megabytesPerSecond: number;
  /** Processor time of each thread for a frame. */
  readonly writerMicros: number;
  readonly readerMicros: number;
}

export interface LatencyFigures {
  readonly link: LinkName;
  /** Of round trips of 8 bytes, one at a time; with 2 ms between them, both threads have gone to sleep. */
  readonly busyMicros: { readonly p50: number; readonly p99: number };
  readonly idleMicros: { readonly p50: number; readonly p99: number };
}

export interface DoorsResult {
  readonly machine: Machine;
  /** Medians of the runs. */
  readonly throughput: readonly ThroughputFigures[];
  readonly latency: readonly LatencyFigures[];
  readonly text: string;
}

export async function measureDoors(
  runs: number,
  seconds: number,
  note: (text: string) => void,
): Promise<DoorsResult> {
  const throughput: ThroughputFigures[] = [];
  for (const { frameBytes, perTurn } of CASES) {
    const each = new Map<LinkName, ThroughputFigures[]>(LINK_NAMES.map((name) => [name, []]));
    for (let run = 1; run <= runs; run++) {
      for (const name of LINK_NAMES) {
        note(`${perTurn} frames of ${frameBytes} bytes, ${name}, run ${run} of ${runs}`);
        each.get(name)?.push(await measureThroughput(name, frameBytes, perTurn, seconds));
      }
    }
    for (const name of LINK_NAMES) throughput.push(median(each.get(name) ?? []));
  }
  const latency: LatencyFigures[] = [];
  for (const link of LINK_NAMES.slice(0, 2)) {
    note(`round trips, ${link}`);
    const busyMicros = await measureRoundTrips(link, ROUND_TRIPS, 0);
    latency.push({ link, busyMicros, idleMicros: await measureRoundTrips(link, 1000, 2) });
  }
  const result = { machine: describeMachine(), throughput, latency };
  return { ...result, text: format(result) };
}

/** Opens a link to a thread of its own. */
function start(name: LinkName, echoes: boolean, receive: Receive): { link: Link; worker: Worker } {
  const [bells, outgoing, incoming] = [createBells(2), createRing(), createRing()];
  const { port1, port2 } = new MessageChannel();
  const other: LinkEnds = { name, side: 1, bells, outgoing: incoming, incoming: outgoing, port: port2 };
  const plan: ThreadPlan = { ends: other, echoes };
  const worker = new Worker(new URL('./thread.ts', import.meta.url), {
    workerData: plan,
    transferList: [port2],
  });
  return { link: openLink({ name, side: 0, bells, outgoing, incoming, port: port1 }, receive), worker };
}

async function measureThroughput(
  name: LinkName,
  frameBytes: number,
  perTurn: number,
  seconds: number,
): Promise<ThroughputFigures> {
  const { link, worker } = start(name, false, () => undefined);
  await once(worker, 'online');
  const ended = once(worker, 'message') as Promise<[ThreadFigures]>;
  const payload = Buffer.alloc(frameBytes, 'x');
  // Half a second for the compiler, then the clock begins.
  await writeFor(link, payload, perTurn, 500);
  const framesBefore = writtenFrames;
  const cpuBefore = process.threadCpuUsage();
  const beganMs = performance.now();
  await writeFor(link, payload, perTurn, seconds * 1000);
  const frames = writtenFrames - framesBefore;
  const { user, system } = process.threadCpuUsage(cpuBefore);
  const tookSeconds = (performance.now() - beganMs) / 1000;
  await writeLast(link);
  const [figures] = await ended;
  link.close();
  await worker.terminate();
  return {
    link: name,
    frameBytes,
    perTurn,
    framesPerSecond: frames / tookSeconds,
    megabytesPerSecond: (frames * frameBytes) / tookSeconds / 1e6,
    writerMicros: (user + system) / frames,
    readerMicros: figures.cpuMicros / figures.frames,
  };
}

/** Of all runs: `writeFor` counts them. */
let writtenFrames = 0;

/** Writes one turn in each iteration of the event loop; resolves after the time, when there is room. */
function writeFor(link: Link, payload: Buffer, perTurn: number, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const untilMs = performance.now() + ms;
    const turn = (): void => {
      for (let i = 0; i < perTurn; i++) {
        if (!link.write(payload)) {
          link.whenRoom(turn);
          return;
        }
        writtenFrames++;
      }
      link.flush();
      if (performance.now() < untilMs) setImmediate(turn);
      else resolve();
    };
    turn();
  });
}

async function writeLast(link: Link): Promise<void> {
  while (!link.write(Buffer.alloc(0))) await new Promise<void>((resolve) => link.whenRoom(resolve));
  link.flush();
}

async function measureRoundTrips(
  name: LinkName,
  trips: number,
  pauseMs: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const times = new Histogram(FINE_BITS);
  const payload = Buffer.alloc(8, 1);
  const done = Promise.withResolvers<void>();
  let left = trips + (pauseMs === 0 ? ROUND_TRIPS_WARMUP : 100);
  let sentMs = 0;
  const send = (): void => {
    sentMs = performance.now();
    link.write(payload);
    link.flush();
  };
  const { link, worker } = start(name, true, () => {
    const took = performance.now() - sentMs;
    if (left <= trips) times.record(took);
    if (--left === 0) done.resolve();
    else if (pauseMs === 0) send();
    else setTimeout(send, pauseMs);
  });
  const alive = setInterval(() => undefined, 60_000);
  send();
  await done.promise;
  clearInterval(alive);
  link.close();
  await worker.terminate();
  return { p50: times.quantileMs(0.5) * 1000, p99: times.quantileMs(0.99) * 1000 };
}

function median(runs: readonly ThroughputFigures[]): ThroughputFigures {
  const of = (value: (run: ThroughputFigures) => number): number => spread(runs.map(value)).median;
  return {
    link: runs[0].link,
    frameBytes: runs[0].frameBytes,
    perTurn: runs[0].perTurn,
    framesPerSecond: of((run) => run.framesPerSecond),
    megabytesPerSecond: of((run) => run.megabytesPerSecond),
    writerMicros: of((run) => run.writerMicros),
    readerMicros: of((run) => run.readerMicros),
  };
}

function format({ machine, throughput, latency }: Omit<DoorsResult, 'text'>): string {
  return [
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}`,
    '',
    '| Frames in a turn | Through | Frames/s | MB/s | Writer, µs a frame | Reader, µs a frame |',
    '|---|---|---|---|---|---|',
    ...throughput.map(
      (row) =>
        `| ${row.perTurn} of ${row.frameBytes} B | ${row.link} | ${Math.round(row.framesPerSecond).toLocaleString('en')} | ` +
        `${row.megabytesPerSecond.toFixed(0)} | ${row.writerMicros.toFixed(2)} | ${row.readerMicros.toFixed(2)} |`,
    ),
    '',
    '| Round trip of 8 bytes, µs | p50 | p99 | p50, after 2 ms of sleep | p99 |',
    '|---|---|---|---|---|',
    ...latency.map(
      ({ link, busyMicros, idleMicros }) =>
        `| ${link} | ${busyMicros.p50.toFixed(0)} | ${busyMicros.p99.toFixed(0)} | ` +
        `${idleMicros.p50.toFixed(0)} | ${idleMicros.p99.toFixed(0)} |`,
    ),
  ].join('\n');
}
