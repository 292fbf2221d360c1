import type { Command } from 'commander';
import type { Item } from './client.ts';
import { adminCommand, type Call, group, listCommand, noteMissingUser, usageError } from './command.ts';

const DESCRIPTION =
  'How much Kafka clients may do: producer_byte_rate and consumer_byte_rate (bytes per second) and request_percentage ' +
  "(of the broker's time) for users and client ids, connection_creation_rate (per second) for addresses. Whoever uses " +
  'more is let wait.';

export function quotasCommand(): Command {
  const columns = ['user', 'client_id', 'ip', 'quota', 'value'];
  return group('quotas', DESCRIPTION, [
    listCommand('list', 'list all quotas', columns, list),
    of(adminCommand('set', 'set a quota; it counts at once', set))
      .argument('<quota>')
      .argument('<value>'),
    of(adminCommand('delete', 'take a quota away, or all of them', remove)).argument('[quota]'),
  ]);
}

function of(command: Command): Command {
  return command
    .option('--user <NAME>', "of this user; '' for each that has none of its own")
    .option('--client-id <NAME>', "of clients with this id; '' for each that has none of its own")
    .option('--ip <ADDRESS>', "of this address; '' for each that has none of its own");
}

async function list({ client }: Call): Promise<readonly Item[]> {
  const quotas = await client.list(['quotas']);
  return quotas.flatMap(({ values, ...entity }) =>
    Object.entries(values as Item).map(([quota, value]) => ({ ...shown(entity), quota, value })),
  );
}

/** In a table, an empty name (the default quota) would look like no name (a quota for all). */
function shown(entity: Item): Item {
  return Object.fromEntries(
    Object.entries(entity).map(([component, name]) => [component, name === '' ? '<others>' : name]),
  );
}

async function set(call: Call, quota = '', value = ''): Promise<void> {
  if (!/^\d+(\.\d+)?$/.test(value)) throw usageError(`'${value}' is no quota: it has to be a number above 0`);
  await call.client.put(['quotas'], { ...whose(call), values: { [quota]: Number(value) } });
  await noteMissingUser(call.client, call.option('user'), 'the quota');
}

async function remove(call: Call, quota?: string): Promise<void> {
  await call.client.delete(['quotas'], { ...whose(call), quota });
}

function whose(call: Call): { readonly [component: string]: string } {
  const [user, clientId, ip] = [call.option('user'), call.option('clientId'), call.option('ip')];
  if (user === undefined && clientId === undefined && ip === undefined) {
    throw usageError('a quota is of somebody: give --user, --client-id, both, or --ip');
  }
  return {
    ...(user === undefined ? {} : { user }),
    ...(clientId === undefined ? {} : { client_id: clientId }),
    ...(ip === undefined ? {} : { ip }),
  };
}
