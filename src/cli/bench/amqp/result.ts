/** What a run has found, in the form in which it is written to a file. */
import { FINE_BITS, Histogram, type HistogramState } from '../../../base/histogram.ts';
import type { Machine } from '../machine.ts';
import type { SequenceState } from './sequence.ts';
import type { BenchSettings } from './settings.ts';
import type { Counters, Snapshot } from './worker.ts';

/** Milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface BenchResult {
  readonly settings: BenchSettings;
  readonly machine: Machine;
  /** The measured time, without warm-up and draining. */
  readonly seconds: number;
  readonly publishedPerSecond: number;
  readonly confirmedPerSecond: number;
  readonly consumedPerSecond: number;
  readonly consumedMiBPerSecond: number;
  /** Publish to deliver; undefined when bodies are too small for a stamp. */
  readonly latencyMs: LatencySummary | undefined;
  readonly confirmLatencyMs: LatencySummary | undefined;
  /** How much of one core the generator used while measuring: near 1 per process, the generator was the limit. */
  readonly generatorCores: number;
  /** Of the whole run, with warm-up and draining. */
  readonly totals: Totals;
  /** By queue and publisher; only the first of them when there are very many. */
  readonly sequences: readonly SequenceState[];
}

export interface Totals extends Counters {
  /** Numbers jumped over and never seen: lost, unless the run ended before they came. */
  readonly missing: number;
  readonly duplicates: number;
  /** Published (and preloaded) messages that were not delivered when the run ended. */
  readonly undelivered: number;
}

const SEQUENCES_MAX = 100;

export interface Findings {
  readonly settings: BenchSettings;
  readonly machine: Machine;
  readonly start: Snapshot;
  readonly end: Snapshot;
  readonly final: Counters;
  readonly sequences: readonly SequenceState[];
}

export function makeResult(findings: Findings): BenchResult {
  const { settings, machine, start, end, final, sequences } = findings;
  const seconds = (end.atMicros - start.atMicros) / 1e6;
  const perSecond = (of: (c: Counters) => number) => (of(end.counters) - of(start.counters)) / seconds;
  const url = new URL(settings.url);
  if (url.password !== '') url.password = '***';
  const expected = final.published * Math.max(1, settings.fanout) + settings.preload;
  return {
    settings: { ...settings, url: url.href },
    machine,
    seconds,
    publishedPerSecond: perSecond((c) => c.published),
    confirmedPerSecond: perSecond((c) => c.confirmed),
    consumedPerSecond: perSecond((c) => c.consumed),
    consumedMiBPerSecond: perSecond((c) => c.consumedBytes) / 2 ** 20,
    latencyMs: summarize(end.latency),
    confirmLatencyMs: summarize(end.confirmLatency),
    generatorCores: (end.cpuMicros - start.cpuMicros) / (seconds * 1e6),
    totals: {
      ...final,
      missing: sequences.reduce((n, s) => n + s.missing, 0),
      duplicates: sequences.reduce((n, s) => n + s.duplicates, 0),
      undelivered: settings.publish && settings.consume ? Math.max(0, expected - final.consumed) : 0,
    },
    sequences: sequences.slice(0, SEQUENCES_MAX),
  };
}

function summarize(state: HistogramState): LatencySummary | undefined {
  if (state.count === 0) return undefined;
  const histogram = new Histogram(FINE_BITS);
  histogram.add(state);
  return {
    count: histogram.count,
    mean: histogram.sumMs / histogram.count,
    p50: histogram.quantileMs(0.5),
    p90: histogram.quantileMs(0.9),
    p99: histogram.quantileMs(0.99),
    p999: histogram.quantileMs(0.999),
    max: histogram.maxMs,
  };
}
