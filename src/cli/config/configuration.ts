import { readFileSync } from 'node:fs';
import { parse as parseToml, TomlError } from 'smol-toml';
import { suggestion } from '../../base/suggestion.ts';
import { meantKeys } from './common-names.ts';
import { ALL_SETTINGS, type Configuration, type Setting, type SettingName } from './settings.ts';

/** Everything that is wrong with the configuration, one line each. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

/** The effective configuration, and for each setting where its value came from: 'default', 'sluice.toml:3', … */
export interface EffectiveConfiguration {
  readonly values: Configuration;
  readonly origins: ReadonlyMap<SettingName, string>;
}

export interface ConfigurationSources {
  /** Values of flags by key (`amqp-port`). */
  readonly flags: ReadonlyMap<string, string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file?: { readonly path: string; readonly text: string };
}

/** A value as somebody wrote it, and where, for messages: '--amqp-port', 'SLUICE_HOST', 'sluice.toml:3: host'. */
interface Given {
  readonly setting: Setting;
  readonly text: string;
  readonly place: string;
  readonly origin: string;
}

const KEYS = ALL_SETTINGS.map((each) => each.key);
const BUILT_KEYS = ALL_SETTINGS.filter((each) => !each.unbuilt).map((each) => each.key);
/** Those that are not built are off. */
const LISTENERS = ALL_SETTINGS.filter((each) => each.key.endsWith('-port'));
const VARIABLE_PREFIX = 'SLUICE_';
const CONFIG_VARIABLE = 'SLUICE_CONFIG';

/** Reads the file that `--config` or SLUICE_CONFIG names, if one does, and puts the three sources together. */
export function loadConfiguration(
  flags: ReadonlyMap<string, string>,
  environment: ConfigurationSources['environment'],
): EffectiveConfiguration {
  const path = flags.get('config') ?? environment[CONFIG_VARIABLE];
  if (path === undefined) return resolveConfiguration({ flags, environment });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error);
    const place = flags.has('config') ? '--config' : CONFIG_VARIABLE;
    throw new ConfigurationError([`${place}: cannot read '${path}': ${reason}`]);
  }
  return resolveConfiguration({ flags, environment, file: { path, text } });
}

/** Flags beat the environment, which beats the file. What is overridden is checked all the same. */
export function resolveConfiguration(sources: ConfigurationSources): EffectiveConfiguration {
  const problems: string[] = [];
  const given = [
    ...(sources.file === undefined ? [] : fromFile(sources.file, problems)),
    ...fromEnvironment(sources.environment, problems),
    ...fromFlags(sources.flags),
  ];

  const values = new Map<SettingName, unknown>(ALL_SETTINGS.map((each) => [each.name, each.default]));
  const origins = new Map<SettingName, string>(ALL_SETTINGS.map((each) => [each.name, 'default']));
  for (const { setting, text, place, origin } of given) {
    const value = setting.parse(text);
    if (value === undefined) {
      problems.push(`${place}: '${setting.wrongPart(text)}' is not allowed; allowed: ${setting.allowed}`);
    } else if (setting.unbuilt && value !== setting.default) {
      problems.push(
        `${place}: not built in this version of Sluice; leave it out or set it to ${setting.default}`,
      );
    } else {
      values.set(setting.name, value);
      origins.set(setting.name, origin);
    }
  }
  const configuration = Object.fromEntries(values) as unknown as Configuration;
  const found = problems.length === 0 ? contradictions(configuration, origins) : problems;
  if (found.length > 0) throw new ConfigurationError(found);
  return { values: configuration, origins };
}

function contradictions(values: Configuration, origins: ReadonlyMap<SettingName, string>): string[] {
  const problems: string[] = [];
  if (values.journalLimitBytes < 2 * values.journalFileBytes) {
    const where = `journal-limit: ${origins.get('journalLimitBytes')}, journal-file-size: ${origins.get('journalFileBytes')}`;
    problems.push(`journal-limit must be at least twice journal-file-size (${where})`);
  }
  const taken = new Map<unknown, Setting>();
  for (const setting of LISTENERS) {
    const port = values[setting.name];
    if (port === 'off' || port === 0) continue;
    const other = taken.get(port);
    if (other === undefined) taken.set(port, setting);
    else {
      const where = [other, setting].map((each) => `${each.key}: ${origins.get(each.name)}`).join(', ');
      problems.push(`${other.key} and ${setting.key} cannot both be ${port} (${where})`);
    }
  }
  return problems;
}

function fromFlags(flags: ReadonlyMap<string, string>): Given[] {
  return ALL_SETTINGS.flatMap((setting) => {
    const text = flags.get(setting.key);
    return text === undefined ? [] : [{ setting, text, place: setting.flag, origin: setting.flag }];
  });
}

function fromEnvironment(environment: ConfigurationSources['environment'], problems: string[]): Given[] {
  const given: Given[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(VARIABLE_PREFIX) || variable === CONFIG_VARIABLE || text === undefined) continue;
    if (isServiceLink(variable, text)) continue;
    const setting = ALL_SETTINGS.find((each) => each.variable === variable);
    if (setting === undefined) {
      const meant = meantKeys(variable.slice(VARIABLE_PREFIX.length), BUILT_KEYS).map(variableOf);
      problems.push(`${variable}: there is no such setting${suggestion(meant)}`);
    } else {
      given.push({ setting, text, place: variable, origin: variable });
    }
  }
  return given;
}

/**
 * Kubernetes gives every container variables about the services near it: a service named `sluice` or `sluice-amqp`
 * makes SLUICE_SERVICE_HOST, SLUICE_PORT_5672_TCP, even SLUICE_AMQP_PORT=tcp://10.0.0.7:5672. None are meant for us.
 */
function isServiceLink(variable: string, text: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/.test(variable) ||
    /^(tcp|udp|sctp):\/\//.test(text)
  );
}

function fromFile(file: { readonly path: string; readonly text: string }, problems: string[]): Given[] {
  let table: Record<string, unknown>;
  try {
    table = parseToml(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n', 1)[0].replace('Invalid TOML document: ', '');
    problems.push(`${file.path}:${error.line}:${error.column}: ${reason}`);
    return [];
  }
  const given: Given[] = [];
  for (const [key, value] of Object.entries(table)) {
    const origin = `${file.path}:${lineOfKey(file.text, key)}`;
    const setting = ALL_SETTINGS.find((each) => each.key === key);
    if (setting === undefined) {
      problems.push(`${origin}: ${unknownKey(key, value)}`);
    } else if (setting.isList && Array.isArray(value)) {
      const text = value.length === 0 ? 'none' : value.join(',');
      given.push({ setting, text, place: `${origin}: ${key}`, origin });
    } else if (typeof value === 'object') {
      problems.push(`${origin}: ${key} takes one value, not a list or a table; allowed: ${setting.allowed}`);
    } else {
      given.push({ setting, text: String(value), place: `${origin}: ${key}`, origin });
    }
  }
  return given;
}

function variableOf(key: string): string {
  return VARIABLE_PREFIX + key.toUpperCase().replaceAll('-', '_');
}

function unknownKey(key: string, value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `there is no setting '${key}'${suggestion(meantKeys(key, BUILT_KEYS))}`;
  }
  const lines = Object.entries(value).map(([name, inner]) => {
    const [meant = `${key}-${name}`] = meantKeys(`${key}-${name}`, KEYS);
    return `${meant} = ${JSON.stringify(inner)}`;
  });
  const instead = lines.length === 0 ? 'write all settings at the top level' : `write ${lines.join(', ')}`;
  return `Sluice's file has no tables such as [${key}]: ${instead}`;
}

/** The line, from 1, on which a top-level key or table of this name begins: the parser does not tell. */
function lineOfKey(text: string, key: string): number {
  const name = key.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const beginning = new RegExp(`^\\s*(\\[\\[?\\s*)?["']?${name}["']?\\s*[.=\\]]`);
  return text.split('\n').findIndex((line) => beginning.test(line)) + 1;
}
