import type { Command } from 'commander';
import { printableJson } from '../../base/printable.ts';
import type { Item } from './client.ts';
import { adminCommand, renderItem } from './command.ts';
import { renderTable } from './table.ts';

const DESCRIPTION =
  'Prints how much there is in the broker, and how much memory and disk it uses; with several shards also a line for each.';

const SHARD_COLUMNS = [
  'shard',
  'connections',
  'channels',
  'queues',
  'messages_ready',
  'messages_unacknowledged',
  'journal_bytes',
  'memory.messages',
  'loop.longest_ms',
  'waits',
  'blocked_reasons',
];

export function overviewCommand(): Command {
  return adminCommand('overview', DESCRIPTION, async (call) => {
    const overview = await call.client.get(['overview']);
    process.stdout.write(
      call.flag('json') ? printableJson(`${JSON.stringify(overview, null, 2)}\n`) : renderOverview(overview),
    );
  }).option('--json', 'print JSON');
}

export function renderOverview({ shards, ...sums }: Item): string {
  const text = renderItem(sums);
  return Array.isArray(shards) ? `${text}\n${renderTable(shards as readonly Item[], SHARD_COLUMNS)}` : text;
}
