import { ACCESS } from './settings/access.ts';
import { CONNECTIONS } from './settings/connections.ts';
import type { Definition } from './settings/definition.ts';
import { DISK } from './settings/disk.ts';
import { FILES_AND_LOG } from './settings/files-and-log.ts';
import { LISTENERS } from './settings/listeners.ts';
import { MEMORY } from './settings/memory.ts';
import { SHARDS } from './settings/shards.ts';
import { TLS } from './settings/tls.ts';
import { TOPICS_AND_GROUPS } from './settings/topics-and-groups.ts';

/**
 * Every setting there is: flags, environment variables, keys of the file, their documentation and the type of
 * `Configuration` are all read from this table. A file has those of one chapter of docs/configuration.md.
 */
const SETTINGS = {
  ...FILES_AND_LOG,
  ...LISTENERS,
  ...CONNECTIONS,
  ...TLS,
  ...ACCESS,
  ...TOPICS_AND_GROUPS,
  ...DISK,
  ...MEMORY,
  ...SHARDS,
};

type Table = typeof SETTINGS;
export type SettingName = keyof Table;

/** All settings with their values, by name. */
export type Configuration = {
  readonly [Name in SettingName]: Table[Name] extends Definition<infer T> ? T : never;
};

/** A row of the table, its value's type forgotten: for code that treats all settings alike. */
export interface Setting {
  readonly name: SettingName;
  readonly key: string;
  readonly flag: string;
  readonly variable: string;
  readonly placeholder: string;
  readonly allowed: string;
  readonly default: unknown;
  readonly description: string;
  readonly unbuilt: boolean;
  /** A TOML list is taken too. */
  readonly isList: boolean;
  /** What is not allowed of a text that `parse` does not take. */
  wrongPart(text: string): string;
  parse(text: string): unknown;
  format(value: unknown): string;
}

function forget<T>(name: string, { key, type, description, unbuilt, ...rest }: Definition<T>): Setting {
  return {
    name: name as SettingName,
    key,
    flag: `--${key}`,
    variable: `SLUICE_${key.toUpperCase().replaceAll('-', '_')}`,
    placeholder: type.placeholder,
    allowed: type.allowed,
    default: rest.default,
    description,
    unbuilt: unbuilt ?? false,
    isList: type.isList ?? false,
    wrongPart: (value) => type.wrongPart?.(value) ?? value,
    parse: (value) => type.parse(value),
    format: (value) => type.format(value as T),
  };
}

export const ALL_SETTINGS: readonly Setting[] = Object.entries(SETTINGS).map(([name, definition]) =>
  forget<never>(name, definition as Definition<never>),
);
