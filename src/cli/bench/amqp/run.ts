/** One run of the load generator, from the declaration of its queues to its result. */
import { describeMachine } from '../machine.ts';
import { parseAddress } from './address.ts';
import { Link } from './client-connection.ts';
import { planShares } from './plan.ts';
import { type BenchResult, makeResult } from './result.ts';
import { type BenchSettings, checkSettings, publisherCount } from './settings.ts';
import { declareTopology, deleteTopology } from './topology.ts';
import type { Counters, Snapshot } from './worker.ts';
import { Crew } from './workers.ts';

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
  const crews: Crew[] = [];
  const openCrew = (crewSettings: BenchSettings, freshFrom: number): Crew => {
    const crew = new Crew(planShares(crewSettings, freshFrom), fail);
    crews.push(crew);
    return crew;
  };
  try {
    return await Promise.race([runWith(settings, openCrew, fail, note), failed.promise]);
  } finally {
    for (const crew of crews) crew.end();
  }
}

async function runWith(
  settings: BenchSettings,
  openCrew: (settings: BenchSettings, freshFrom: number) => Crew,
  fail: (error: Error) => void,
  note: Note,
): Promise<BenchResult> {
  const control = await Link.open(parseAddress(settings.url), fail);
  await declareTopology(control, settings);

  let measured = settings;
  if (settings.preload > 0) {
    const seconds = await preload(settings, openCrew);
    note(`preloaded ${settings.preload} messages in ${seconds.toFixed(1)} s`);
    measured = { ...settings, publisherBase: settings.publisherBase + publisherCount(settings) };
  }

  // A run that only consumes, or that shares its queue with earlier runs, meets messages whose beginning it has not seen.
  const freshFrom = settings.publish ? settings.publisherBase : Number.POSITIVE_INFINITY;
  const crew = openCrew(measured, freshFrom);
  await crew.connect();
  const before = await crew.snapshot();
  if (settings.consume) await crew.startConsuming();
  if (settings.publish) {
    await crew.startPublishing(settings.messages > 0 ? settings.messages : Number.POSITIVE_INFINITY);
  }
  const window =
    settings.messages > 0 ? await untilDone(crew, settings, before) : await forTime(crew, settings);
  await crew.stopPublishing();
  await drain(crew, settings);
  await crew.close();
  const final = await crew.snapshot();
  const sequences = await crew.sequences();
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
  openCrew: (settings: BenchSettings, freshFrom: number) => Crew,
): Promise<number> {
  const crew = openCrew(
    { ...settings, consume: false, confirmWindow: PRELOAD_WINDOW, ratePerSecond: 0 },
    settings.publisherBase,
  );
  await crew.connect();
  const start = performance.now();
  await crew.startPublishing(settings.preload);
  await poll(crew, STALLED_MS, (c) => c.confirmed + c.nacked >= settings.preload);
  const counters = await crew.counters();
  if (counters.confirmed < settings.preload) {
    throw new Error(`of ${settings.preload} messages to preload only ${counters.confirmed} were confirmed`);
  }
  await crew.close();
  return (performance.now() - start) / 1000;
}

async function forTime(crew: Crew, settings: BenchSettings): Promise<Window> {
  await sleep(settings.warmupSeconds * 1000);
  const start = await crew.snapshot();
  await sleep(settings.durationSeconds * 1000);
  return { start, end: await crew.snapshot() };
}

/** The window of a run by count is all of it: from the first message to the last one's arrival. */
async function untilDone(crew: Crew, settings: BenchSettings, start: Snapshot): Promise<Window> {
  const copies = Math.max(1, settings.fanout);
  await poll(
    crew,
    STALLED_MS,
    (c) =>
      (!settings.publish || c.published >= settings.messages) &&
      (!settings.publish || settings.confirmWindow === 0 || c.confirmed + c.nacked >= settings.messages) &&
      (!settings.consume || c.consumed >= settings.messages * copies),
  );
  return { start, end: await crew.snapshot() };
}

/** After the measurement: lets the queues run empty, so that a loss can be told from what was still under way. */
async function drain(crew: Crew, settings: BenchSettings): Promise<void> {
  if (!settings.publish || !settings.consume || settings.drainSeconds === 0) return;
  // What another run has left in the queue comes first, and is not waited for.
  const copies = Math.max(1, settings.fanout);
  const deadline = performance.now() + settings.drainSeconds * 1000;
  await poll(
    crew,
    1000,
    (c) => performance.now() > deadline || c.consumed >= c.published * copies + settings.preload,
  );
}

/** Returns when it is done, or when for `stalledMs` nothing has been counted. */
async function poll(crew: Crew, stalledMs: number, done: (counters: Counters) => boolean): Promise<void> {
  let last = 0;
  let lastAt = performance.now();
  for (;;) {
    const counters = await crew.counters();
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
