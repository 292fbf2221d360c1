import { Command } from 'commander';
import { printableJson } from '../../base/printable.ts';
import { didYouMean } from '../../base/suggestion.ts';
import { ConfigurationError, loadConfiguration } from '../config/configuration.ts';
import { addSettingFlags, givenFlags } from '../config/setting-flags.ts';
import { fail } from '../failure.ts';
import { ControlClient, type Item } from './client.ts';
import { note } from './note.ts';
import { fieldOf, renderTable } from './table.ts';

/** The arguments of an action: the broker's API, and the flags. */
export interface Call {
  readonly client: ControlClient;
  /** The value of a flag that takes one; undefined if it is not given. */
  option(name: string): string | undefined;
  flag(name: string): boolean;
  /** Whether the flag was given with `no-` before it. */
  without(name: string): boolean;
}

/** A subcommand such as `list` of `queues`. `run` gets the arguments of the command line in their order. */
export function adminCommand(
  name: string,
  description: string,
  run: (call: Call, ...words: string[]) => Promise<void>,
): Command {
  const command = addSettingFlags(new Command(name), ['data-dir']).description(description);
  return command.action(async () => {
    try {
      const { values } = loadConfiguration(givenFlags(command), process.env);
      const options = command.opts<{ readonly [name: string]: unknown }>();
      const call: Call = {
        client: new ControlClient(values.dataDirectory),
        option: (option) => (typeof options[option] === 'string' ? options[option] : undefined),
        flag: (option) => options[option] === true && command.getOptionValueSource(option) === 'cli',
        without: (option) => options[option] === false,
      };
      await run(call, ...command.args);
    } catch (error) {
      fail(error);
    }
  });
}

/** A command such as `queues`, with its subcommands. */
export function group(name: string, description: string, commands: readonly Command[]): Command {
  const made = new Command(name).description(description).helpCommand(false);
  for (const command of commands) made.addCommand(command);
  return made;
}

/** A command that prints items: as a table of these columns, unless others or JSON are asked for. */
export function listCommand(
  name: string,
  description: string,
  columns: readonly string[],
  fetch: (call: Call, ...words: string[]) => Promise<readonly Item[]>,
): Command {
  return adminCommand(name, description, async (call, ...words) => {
    const asked = call
      .option('columns')
      ?.split(',')
      .map((column) => column.trim());
    const items = await fetch(call, ...words);
    if (asked !== undefined) checkColumns(asked, items, columns);
    process.stdout.write(
      call.flag('json') ? toJson(items, asked) : renderTable(items, asked ?? withShard(columns, items)),
    );
  })
    .option('--columns <NAMES>', `which fields to print, separated by commas (default: ${columns.join(',')})`)
    .option('--json', 'print JSON, with all fields');
}

/** Where there are several shards, each line says in which of them it is. */
function withShard(columns: readonly string[], items: readonly Item[]): readonly string[] {
  return items.some((item) => typeof item.shard === 'number') ? [...columns, 'shard'] : columns;
}

/** A column that is no field of any item is a slip, and an empty column would not say so. */
function checkColumns(asked: readonly string[], items: readonly Item[], columns: readonly string[]): void {
  if (items.length === 0) return;
  const fields = [...new Set([...columns, ...items.flatMap((item) => Object.keys(item))])];
  const known = new Set([...fields, ...fields.map((field) => field.split('.')[0])]);
  for (const column of asked) {
    if (known.has(column) || known.has(column.split('.')[0])) continue;
    const meant = didYouMean(column, fields);
    throw usageError(`--columns: there is no field '${column}'${meant}; there are ${fields.join(', ')}`);
  }
}

/** A command that prints one thing with all that is known of it. */
export function showCommand(
  name: string,
  description: string,
  fetch: (call: Call, ...words: string[]) => Promise<Item>,
): Command {
  return adminCommand(name, description, async (call, ...words) => {
    const item = await fetch(call, ...words);
    if (call.flag('json')) {
      process.stdout.write(printableJson(`${JSON.stringify(item, null, 2)}\n`));
      return;
    }
    process.stdout.write(renderItem(item));
  }).option('--json', 'print JSON');
}

/** A line for each field. */
export function renderItem(item: Item): string {
  const rows = flatten(item, '').map(([field, value]) => ({ field, value }));
  return renderTable(rows, ['field', 'value']);
}

/** The flag for the virtual host of a thing, `/` unless it is said. */
export function withVhost(command: Command): Command {
  return command.option('--vhost <NAME>', 'the virtual host', '/');
}

/** The flag for a list: all virtual hosts unless one is named. */
export function withVhostFilter(command: Command): Command {
  return command.option('--vhost <NAME>', 'only those of this virtual host');
}

export function vhostOf(call: Call): string {
  return call.option('vhost') ?? '/';
}

/** Rules may be made for a user before the user is. A slip looks the same, so it is said. */
export async function noteMissingUser(
  client: ControlClient,
  user: string | undefined,
  rule: string,
): Promise<void> {
  if (user === undefined || user === '' || user === '*') return;
  const users = await client.list(['users']);
  if (users.some(({ name }) => name === user)) return;
  const meant = didYouMean(
    user,
    users.map(({ name }) => String(name)),
  );
  note(`there is no user '${user}'${meant}; ${rule} counts once there is`);
}

/** The path of a list that can be had for one virtual host. */
export function pathWithVhost(call: Call, ...path: string[]): string[] {
  const vhost = call.option('vhost');
  return vhost === undefined ? path : [...path, vhost];
}

/** A flag that is wrong is wrong usage, as everywhere. */
export function usageError(problem: string): ConfigurationError {
  return new ConfigurationError([problem]);
}

/** The value of a flag that has to be a JSON object. */
export function jsonObject(flag: string, text: string | undefined): Item {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usageError(`${flag}: '${text}' is not JSON: ${reason}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Item;
  throw usageError(`${flag}: '${text}' is not a JSON object, as {"max-length": 1000} is`);
}

function toJson(items: readonly Item[], columns: readonly string[] | undefined): string {
  const chosen =
    columns === undefined
      ? items
      : items.map((item) =>
          Object.fromEntries(columns.map((column) => [column, fieldOf(item, column) ?? null])),
        );
  return printableJson(`${JSON.stringify(chosen, null, 2)}\n`);
}

/** What is in objects comes as `object.field`, but for the tables that users made. */
function flatten(item: Item, prefix: string): [string, unknown][] {
  return Object.entries(item).flatMap(([field, value]) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject || USER_TABLES.has(field)) return [[`${prefix}${field}`, value] as [string, unknown]];
    return flatten(value as Item, `${prefix}${field}.`);
  });
}

const USER_TABLES: ReadonlySet<string> = new Set(['arguments', 'client_properties', 'definition']);
