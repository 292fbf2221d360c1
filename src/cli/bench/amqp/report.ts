/** A result as people read it. */
import type { BenchResult, LatencySummary } from './result.ts';
import { type BenchSettings, consumerCount, publisherCount, queueCount } from './settings.ts';

export function formatResult(result: BenchResult): string {
  const { totals, machine } = result;
  const lines = [
    describeSettings(result.settings),
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}; measured ${result.seconds.toFixed(2)} s`,
    '',
    row('published/s', count(result.publishedPerSecond)),
    row('confirmed/s', count(result.confirmedPerSecond)),
    row('consumed/s', `${count(result.consumedPerSecond)}   ${result.consumedMiBPerSecond.toFixed(1)} MiB/s`),
    row('generator', `${result.generatorCores.toFixed(2)} cores`),
    '',
  ];
  if (result.latencyMs !== undefined || result.confirmLatencyMs !== undefined) {
    lines.push(`${' '.repeat(24)}p50       p90       p99     p99.9       max  ms`);
    if (result.latencyMs !== undefined) lines.push(latencyRow('publish → deliver', result.latencyMs));
    if (result.confirmLatencyMs !== undefined)
      lines.push(latencyRow('publish → confirm', result.confirmLatencyMs));
    lines.push('');
  }
  lines.push(
    `total: published ${count(totals.published)}, confirmed ${count(totals.confirmed)}, nacked ${count(totals.nacked)}, ` +
      `consumed ${count(totals.consumed)}, redelivered ${count(totals.redelivered)}`,
    `checks: missing ${count(totals.missing)}, duplicates ${count(totals.duplicates)}, ` +
      `out of order ${count(totals.outOfOrder)}, undelivered at the end ${count(totals.undelivered)}`,
  );
  return lines.join('\n');
}

function describeSettings(s: BenchSettings): string {
  const parts = [
    `${publisherCount(s)} publishers, ${consumerCount(s)} consumers, ${queueCount(s)} queues`,
    s.fanout > 0 ? 'fan-out' : '',
    s.queuePerConnection ? 'queue per connection' : '',
    `${s.sizeBytes} B`,
    s.persistent ? 'persistent' : 'transient',
    s.confirmWindow > 0 ? `${s.confirmWindow} unconfirmed` : 'no confirms',
    s.autoAck ? 'auto-ack' : s.ackEvery === 0 ? 'ack per read' : `ack every ${s.ackEvery}`,
    s.prefetch > 0 ? `prefetch ${s.prefetch}` : '',
    s.ratePerSecond > 0 ? `${s.ratePerSecond} msg/s offered` : '',
    s.preload > 0 ? `${s.preload} preloaded` : '',
    s.processes > 1 ? `${s.processes} processes` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function row(name: string, value: string): string {
  return `${name.padEnd(14)}${value}`;
}

function latencyRow(name: string, l: LatencySummary): string {
  const cells = [l.p50, l.p90, l.p99, l.p999, l.max].map((ms) => ms.toFixed(2).padStart(10));
  return name.padEnd(17) + cells.join('');
}
