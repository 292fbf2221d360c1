/** One run of the load generator, from the declaration of its queues to its result. */
import { describeMachine } from '../machine.ts';
import { parseAddress } from './address.ts';
import { ClientConnection } from './client-connection.ts';
import { planShares } from './plan.ts';
import { type BenchResult, makeResult } from './result.ts';
import { type BenchSettings, checkSettings, publisherCount } from './settings.ts';
import { declareTopology, deleteTopology } from './topology.ts';
import type { Counters, Snapshot } from './worker.ts';
import { Workers } from './workers.ts';

const POLL_MS = 5;
/** A run that ends by count and makes no progress for so long has lost something. */
const STALLED_MS = 10_000;
const PRELOAD_WINDOW = 2000;

export type Note = (text: string) => void;

export async function runBench(settings: BenchSettings, note: Note = () => undefined): Promise<BenchResult> {
  checkSettings(settings);
  const failed = Promise.withResolvers<never>();
  // Whoever waits for a failure does so through a race; until then it is not an unhandled rejection.
  failed.promise.catch(() => undefined);
  const fail = (error: Error) => failed.reject(error);
  const opened: Workers[] = [];
  const openWorkers = (workerSettings: BenchSettings, freshFrom: number): Workers => {
    const workers = new Workers(planShares(workerSettings, freshFrom), fail);
    opened.push(workers);
    return workers;
  };
  try {
    return await Promise.race([runWith(settings, openWorkers, fail, note), failed.promise]);
  } finally {
    for (const workers of opened) workers.end();
  }
}

async function runWith(
  settings: BenchSettings,
  openWorkers: (settings: BenchSettings, freshFrom: number) => Workers,
  fail: (error: Error) => void,
  note: Note,
): Promise<BenchResult> {
  const control = await ClientConnection.open(parseAddress(settings.url), fail);
  await declareTopology(control, settings);

  let measured = settings;
  if (settings.preload > 0) {
    const seconds = await preload(settings, openWorkers);
    note(`preloaded ${settings.preload} messages in ${seconds.toFixed(1)} s`);
    measured = { ...settings, publisherBase: settings.publisherBase + publisherCount(settings) };
  }

  // A run that only consumes, or that shares its queue with earlier runs, meets messages whose beginning it has not seen.
  const freshFrom = settings.publish ? settings.publisherBase : Number.POSITIVE_INFINITY;
  const workers = openWorkers(measured, freshFrom);
  await workers.connect();
  const before = await workers.snapshot();
  if (settings.consume) await workers.startConsuming();
  if (settings.publish) {
    await workers.startPublishing(settings.messages > 0 ? settings.messages : Number.POSITIVE_INFINITY);
  }
  const window =
    settings.messages > 0 ? await untilDone(workers, settings, before) : await forTime(workers, settings);
  await workers.stopPublishing();
  await drain(workers, settings);
  await workers.close();
  const final = await workers.snapshot();
  const sequences = await workers.sequences();
  if (!settings.keep) await deleteTopology(control, settings);
  await control.close();
  return makeResult({ settings, machine: describeMachine(), ...window, final: final.counters, sequences });
}

interface Window {
  readonly start: Snapshot;
  readonly end: Snapshot;
}

/** Fills the queues by publishers of their own: how the measured ones confirm is the user's choice. */
async function preload(
  settings: BenchSettings,
  openWorkers: (settings: BenchSettings, freshFrom: number) => Workers,
): Promise<number> {
  const workers = openWorkers(
    { ...settings, consume: false, confirmWindow: PRELOAD_WINDOW, ratePerSecond: 0 },
    settings.publisherBase,
  );
  await workers.connect();
  const start = performance.now();
  await workers.startPublishing(settings.preload);
  await poll(workers, STALLED_MS, (c) => c.confirmed + c.nacked >= settings.preload);
  const counters = await workers.counters();
  if (counters.confirmed < settings.preload) {
    throw new Error(`of ${settings.preload} messages to preload only ${counters.confirmed} were confirmed`);
  }
  await workers.close();
  return (performance.now() - start) / 1000;
}

async function forTime(workers: Workers, settings: BenchSettings): Promise<Window> {
  await sleep(settings.warmupSeconds * 1000);
  const start = await workers.snapshot();
  await sleep(settings.durationSeconds * 1000);
  return { start, end: await workers.snapshot() };
}

/** The window of a run by count is all of it: from the first message to the last one's arrival. */
async function untilDone(workers: Workers, settings: BenchSettings, start: Snapshot): Promise<Window> {
  const copies = Math.max(1, settings.fanout);
  await poll(
    workers,
    STALLED_MS,
    (c) =>
      (!settings.publish || c.published >= settings.messages) &&
      (!settings.publish || settings.confirmWindow === 0 || c.confirmed + c.nacked >= settings.messages) &&
      (!settings.consume || c.consumed >= settings.messages * copies),
  );
  return { start, end: await workers.snapshot() };
}

/** After the measurement: lets the queues run empty, so that a loss can be told from what was still under way. */
async function drain(workers: Workers, settings: BenchSettings): Promise<void> {
  if (!settings.publish || !settings.consume || settings.drainSeconds === 0) return;
  // What another run has left in the queue comes first, and is not waited for.
  const copies = Math.max(1, settings.fanout);
  const deadline = performance.now() + settings.drainSeconds * 1000;
  await poll(
    workers,
    1000,
    (c) => performance.now() > deadline || c.consumed >= c.published * copies + settings.preload,
  );
}

/** Returns when it is done, or when for `stalledMs` nothing has been counted. */
async function poll(
  workers: Workers,
  stalledMs: number,
  done: (counters: Counters) => boolean,
): Promise<void> {
  let last = 0;
  let lastAt = performance.now();
  for (;;) {
    const counters = await workers.counters();
    if (done(counters)) return;
    const total = counters.published + counters.confirmed + counters.nacked + counters.consumed;
    if (total !== last) {
      last = total;
      lastAt = performance.now();
    } else if (performance.now() - lastAt > stalledMs) return;
    await sleep(POLL_MS);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
