import type { Command } from 'commander';
import type { Item } from './client.ts';
import {
  adminCommand,
  type Call,
  group,
  jsonObject,
  listCommand,
  pathWithVhost,
  showCommand,
  usageError,
  vhostOf,
  withVhost,
  withVhostFilter,
} from './command.ts';

export function queuesCommand(): Command {
  const columns = ['vhost', 'name', 'messages_ready', 'messages_unacknowledged', 'consumers', 'state'];
  return group('queues', 'Queues, and the messages in them.', [
    withVhostFilter(
      listCommand('list', 'list queues', columns, (call) => call.client.list(pathWithVhost(call, 'queues'))),
    ),
    withVhost(
      showCommand('show', 'all that is known of a queue, with where its messages went', (call, name = '') =>
        call.client.get(['queues', vhostOf(call), name]),
      ),
    ).argument('<name>'),
    declaration(adminCommand('add', 'add a queue; durable, unless told otherwise', addQueue)).argument(
      '<name>',
    ),
    withVhost(
      adminCommand('delete', 'delete a queue and all messages in it', async (call, name = '') => {
        await call.client.delete(['queues', vhostOf(call), name], {
          'if-empty': given(call, 'ifEmpty'),
          'if-unused': given(call, 'ifUnused'),
        });
      }),
    )
      .argument('<name>')
      .option('--if-empty', 'only if no message is ready in it')
      .option('--if-unused', 'only if it has no consumers'),
    withVhost(
      adminCommand('purge', 'remove all messages that are ready from a queue; prints how many', purge),
    ).argument('<name>'),
  ]);
}

export function exchangesCommand(): Command {
  const columns = ['vhost', 'name', 'type', 'durable', 'auto_delete', 'internal', 'arguments'];
  return group('exchanges', 'Exchanges, to which clients publish.', [
    withVhostFilter(
      listCommand('list', 'list exchanges', columns, (call) =>
        call.client.list(pathWithVhost(call, 'exchanges')),
      ),
    ),
    declaration(adminCommand('add', 'add an exchange; durable, unless told otherwise', addExchange))
      .argument('<name>')
      .requiredOption('--type <TYPE>', 'direct, fanout, topic, headers, …')
      .option('--internal', 'to be reached from other exchanges alone'),
    withVhost(
      adminCommand(
        'delete',
        'delete an exchange and the bindings from and to it',
        async (call, name = '') => {
          await call.client.delete(['exchanges', vhostOf(call), name], {
            'if-unused': given(call, 'ifUnused'),
          });
        },
      ),
    )
      .argument('<name>')
      .option('--if-unused', 'only if nothing is bound to it'),
  ]);
}

export function bindingsCommand(): Command {
  const columns = ['vhost', 'source', 'destination_type', 'destination', 'routing_key', 'arguments'];
  return group(
    'bindings',
    'Bindings: which messages go from an exchange to a queue, or to another exchange.',
    [
      withVhostFilter(listCommand('list', 'list bindings', columns, listBindings))
        .option('--source <NAME>', "only those from this exchange; '' is the default exchange")
        .option('--destination <NAME>', 'only those to this queue or exchange'),
      binding(adminCommand('add', 'bind a queue (or an exchange) to an exchange', addBinding)),
      binding(adminCommand('delete', 'remove a binding', deleteBinding)),
    ],
  );
}

function declaration(command: Command): Command {
  return withVhost(command)
    .option('--transient', 'gone after a restart')
    .option('--auto-delete', 'gone when nobody uses it any more')
    .option('--arguments <JSON>', 'such as \'{"x-max-length": 1000}\'');
}

function binding(command: Command): Command {
  return withVhost(command)
    .argument('<exchange>')
    .argument('<destination>')
    .option('--to <KIND>', 'whether the destination is a queue or an exchange', 'queue')
    .option('--key <ROUTING-KEY>', 'the routing key, or the pattern for a topic exchange', '')
    .option('--arguments <JSON>', 'such as \'{"x-match": "all", "kind": "report"}\' for a headers exchange');
}

function given(call: Call, flag: string): string | undefined {
  return call.flag(flag) ? 'true' : undefined;
}

async function addQueue(call: Call, name = ''): Promise<void> {
  await call.client.put(['queues', vhostOf(call), name], declared(call));
}

async function addExchange(call: Call, name = ''): Promise<void> {
  const [type, internal] = [call.option('type'), call.flag('internal')];
  await call.client.put(['exchanges', vhostOf(call), name], { ...declared(call), type, internal });
}

function declared(call: Call): Item {
  return {
    durable: !call.flag('transient'),
    auto_delete: call.flag('autoDelete'),
    arguments: jsonObject('--arguments', call.option('arguments')),
  };
}

async function purge(call: Call, name = ''): Promise<void> {
  const { messages } = (await call.client.delete(['queues', vhostOf(call), name, 'contents'])) as Item;
  process.stdout.write(`${messages}\n`);
}

async function listBindings(call: Call): Promise<readonly Item[]> {
  const [source, destination] = [call.option('source'), call.option('destination')];
  const items = await call.client.list(pathWithVhost(call, 'bindings'));
  return items.filter(
    (item) =>
      (source === undefined || item.source === source) &&
      (destination === undefined || item.destination === destination),
  );
}

function pathBetween(call: Call, exchange: string, destination: string): string[] {
  const kind = call.option('to');
  if (kind !== 'queue' && kind !== 'exchange')
    throw usageError(`--to: '${kind}' is neither queue nor exchange`);
  return ['bindings', vhostOf(call), 'e', exchange, kind === 'queue' ? 'q' : 'e', destination];
}

async function addBinding(call: Call, exchange = '', destination = ''): Promise<void> {
  await call.client.post(pathBetween(call, exchange, destination), {
    routing_key: call.option('key'),
    arguments: jsonObject('--arguments', call.option('arguments')),
  });
}

async function deleteBinding(call: Call, exchange = '', destination = ''): Promise<void> {
  const path = pathBetween(call, exchange, destination);
  const key = call.option('key');
  const args = JSON.stringify(sorted(jsonObject('--arguments', call.option('arguments'))));
  const found = (await call.client.list(path)).find(
    (item) => item.routing_key === key && JSON.stringify(sorted(item.arguments as Item)) === args,
  );
  if (found === undefined) {
    throw new Error(`no binding from exchange '${exchange}' to '${destination}' with routing key '${key}'`);
  }
  await call.client.delete([...path, String(found.properties_key)]);
}

function sorted(item: Item): [string, unknown][] {
  return Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1));
}
