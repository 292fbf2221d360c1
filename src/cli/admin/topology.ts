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
import { confirmLoss, counted, withForce } from './confirmation.ts';
import { note } from './note.ts';

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
    withForce(withVhost(adminCommand('delete', 'delete a queue and all messages in it', deleteQueue)))
      .argument('<name>')
      .option('--if-empty', 'only if no message is ready in it')
      .option('--if-unused', 'only if it has no consumers'),
    withForce(
      withVhost(
        adminCommand('purge', 'remove all messages that are ready from a queue; prints how many', purge),
      ),
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
    withForce(
      withVhost(adminCommand('delete', 'delete an exchange and the bindings from and to it', deleteExchange)),
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
  const isNew = await call.client.put(['queues', vhostOf(call), name], declared(call));
  if (!isNew) noteThere(call, 'queue', name);
}

function noteThere(call: Call, kind: string, name: string): void {
  note(`${kind} '${name}' is there already in vhost '${vhostOf(call)}', declared so; nothing was changed`);
}

async function deleteQueue(call: Call, name = ''): Promise<void> {
  const path = ['queues', vhostOf(call), name];
  const { messages, consumers } = await call.client.get(path);
  const goes = [
    ...counted(messages, 'message'),
    ...(call.flag('ifUnused') ? [] : counted(consumers, 'consumer')),
  ];
  // With --if-empty the broker itself refuses what would be lost.
  if (!call.flag('ifEmpty')) {
    await confirmLoss(call, 'delete', {
      what: `queue '${name}' in vhost '${vhostOf(call)}'`,
      goes,
      otherwise: 'or --if-empty to delete it only without messages',
    });
  }
  // Nobody has agreed to lose what comes in meanwhile.
  const isEmpty = goes.length === 0 && !call.flag('force');
  await call.client.delete(path, {
    'if-empty': isEmpty ? 'true' : given(call, 'ifEmpty'),
    'if-unused': given(call, 'ifUnused'),
  });
}

async function deleteExchange(call: Call, name = ''): Promise<void> {
  const vhost = vhostOf(call);
  const { type } = await call.client.get(['exchanges', vhost, name]);
  const [stream, from, to] = await Promise.all([
    call.client.find(['streams', vhost, name]),
    call.client.list(['exchanges', vhost, name, 'bindings', 'source']),
    call.client.list(['exchanges', vhost, name, 'bindings', 'destination']),
  ]);
  const isStream = stream !== undefined && (type === 'x-stream' || Number(stream.messages) > 0);
  if (!call.flag('ifUnused') || isStream) {
    await confirmLoss(call, 'delete', {
      what: `exchange '${name}' in vhost '${vhost}'`,
      goes: [
        ...counted(from.length + to.length, 'binding'),
        ...(isStream ? counted(stream.messages, 'record of the stream', 'records of the stream') : []),
      ],
    });
  }
  await call.client.delete(['exchanges', vhost, name], { 'if-unused': given(call, 'ifUnused') });
}

async function addExchange(call: Call, name = ''): Promise<void> {
  const [type, internal] = [call.option('type'), call.flag('internal')];
  const body = { ...declared(call), type, internal };
  const isNew = await call.client.put(['exchanges', vhostOf(call), name], body);
  if (!isNew) noteThere(call, 'exchange', name);
}

function declared(call: Call): Item {
  return {
    durable: !call.flag('transient'),
    auto_delete: call.flag('autoDelete'),
    arguments: jsonObject('--arguments', call.option('arguments')),
  };
}

async function purge(call: Call, name = ''): Promise<void> {
  const { messages_ready: ready, type } = await call.client.get(['queues', vhostOf(call), name]);
  await confirmLoss(call, 'purge', {
    what: `queue '${name}' in vhost '${vhostOf(call)}'`,
    goes: type === 'stream' ? [] : counted(ready, 'message'),
  });
  const { messages } = (await call.client.delete(['queues', vhostOf(call), name, 'contents'])) as Item;
  process.stdout.write(`${messages}\n`);
}

async function listBindings(call: Call): Promise<readonly Item[]> {
  const [source, destination] = [call.option('source'), call.option('destination')];
  const items = await call.client.list(pathWithVhost(call, 'bindings'));
  const found = items.filter(
    (item) =>
      (source === undefined || item.source === source) &&
      (destination === undefined || item.destination === destination),
  );
  if (found.length === 0) await noteMissingEnds(call, source, destination);
  return found;
}

async function noteMissingEnds(call: Call, source?: string, destination?: string): Promise<void> {
  const [exchanges, queues] = await Promise.all([
    call.client.list(pathWithVhost(call, 'exchanges')),
    call.client.list(pathWithVhost(call, 'queues')),
  ]);
  const isIn = (items: readonly Item[], name: string) => items.some((each) => each.name === name);
  if (source !== undefined && !isIn(exchanges, source)) note(`there is no exchange '${source}'`);
  if (destination !== undefined && !isIn(exchanges, destination) && !isIn(queues, destination)) {
    note(`there is no queue and no exchange '${destination}'`);
  }
}

function pathBetween(call: Call, exchange: string, destination: string): string[] {
  const kind = call.option('to');
  if (kind !== 'queue' && kind !== 'exchange')
    throw usageError(`--to: '${kind}' is neither queue nor exchange`);
  return ['bindings', vhostOf(call), 'e', exchange, kind === 'queue' ? 'q' : 'e', destination];
}

async function addBinding(call: Call, exchange = '', destination = ''): Promise<void> {
  const path = pathBetween(call, exchange, destination);
  const isThere = (await findBinding(call, path)) !== undefined;
  await call.client.post(path, {
    routing_key: call.option('key'),
    arguments: jsonObject('--arguments', call.option('arguments')),
  });
  if (isThere) {
    note(`'${destination}' is bound to exchange '${exchange}' so already; nothing was changed`);
  }
}

async function findBinding(call: Call, path: readonly string[]): Promise<Item | undefined> {
  const key = call.option('key');
  const args = JSON.stringify(sorted(jsonObject('--arguments', call.option('arguments'))));
  return (await call.client.list(path)).find(
    (item) => item.routing_key === key && JSON.stringify(sorted(item.arguments as Item)) === args,
  );
}

async function deleteBinding(call: Call, exchange = '', destination = ''): Promise<void> {
  const path = pathBetween(call, exchange, destination);
  const key = call.option('key');
  const found = await findBinding(call, path);
  if (found === undefined) {
    throw new Error(`no binding from exchange '${exchange}' to '${destination}' with routing key '${key}'`);
  }
  await call.client.delete([...path, String(found.properties_key)]);
}

function sorted(item: Item): [string, unknown][] {
  return Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1));
}
