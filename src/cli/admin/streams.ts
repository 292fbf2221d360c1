import type { Command } from 'commander';
import {
  adminCommand,
  type Call,
  group,
  listCommand,
  pathWithVhost,
  showCommand,
  usageError,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';
import { confirmLoss, counted, withForce } from './confirmation.ts';

const COLUMNS = ['vhost', 'name', 'partition_count', 'messages', 'consumers', 'bindings', 'exchange_type'];

export function streamsCommand(): Command {
  return group('streams', 'Streams: topics to Kafka, exchanges and queues of type stream to AMQP.', [
    withVhostFilter(
      listCommand('list', 'list streams', COLUMNS, (call) =>
        call.client.list(pathWithVhost(call, 'streams')),
      ),
    ),
    withVhost(
      showCommand(
        'describe',
        'all that is known of a stream, and of each of its partitions',
        (call, name = '') => call.client.get(['streams', vhostOf(call), name]),
      ),
    ).argument('<name>'),
    withVhost(adminCommand('create', 'make a stream, with its exchange', create))
      .argument('<name>')
      .option('--partitions <NUMBER>', 'how many', '1')
      .option('--set <NAME=VALUE,...>', "settings, by Kafka's names: 'retention.ms=3600000'"),
    withForce(
      withVhost(adminCommand('delete', 'delete a stream and all that is in it', remove)).argument('<name>'),
    ),
  ]);
}

async function remove(call: Call, name = ''): Promise<void> {
  const path = ['streams', vhostOf(call), name];
  const { messages, consumers, bindings } = await call.client.get(path);
  await confirmLoss(call, 'delete', {
    what: `stream '${name}' in vhost '${vhostOf(call)}'`,
    goes: [
      ...counted(messages, 'record'),
      ...counted(consumers, 'consumer'),
      ...counted(bindings, 'binding'),
    ],
  });
  await call.client.delete(path);
}

async function create(call: Call, name = ''): Promise<void> {
  const partitions = Number(call.option('partitions'));
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    throw usageError(`--partitions: '${call.option('partitions')}' is no number of partitions`);
  }
  const path = ['streams', vhostOf(call), name];
  const known = await call.client.list(['streams', vhostOf(call)]);
  if (known.some((stream) => stream.name === name)) throw new Error(`there is a stream '${name}' already`);
  await call.client.put(path, { partitions, configs: configsIn(call.option('set')) });
}

function configsIn(text: string | undefined): { readonly [name: string]: string } {
  if (text === undefined) return {};
  const entries = text.split(',').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 1) throw usageError(`--set: '${pair}' has to be a name, '=', and a value`);
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
  return Object.fromEntries(entries);
}
