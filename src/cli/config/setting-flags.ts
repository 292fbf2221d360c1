import { type Command, Option } from 'commander';
import { ALL_SETTINGS } from './settings.ts';

/** Gives a command `--config` and one flag for every setting, or for those with the given keys. */
export function addSettingFlags(command: Command, keys?: readonly string[]): Command {
  command.option('--config <FILE>', 'TOML file with settings; flags and SLUICE_… variables beat it');
  for (const setting of ALL_SETTINGS) {
    if (keys !== undefined && !keys.includes(setting.key)) continue;
    const limits = setting.unbuilt
      ? 'Not built in this version.'
      : `Default: ${setting.format(setting.default)}.`;
    command.addOption(
      new Option(`${setting.flag} <${setting.placeholder}>`, `${setting.description} ${limits}`),
    );
  }
  return command;
}

/** The flags that were given, by key (`amqp-port`). */
export function givenFlags(command: Command): ReadonlyMap<string, string> {
  const flags = new Map<string, string>();
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value === 'string') flags.set(option.name(), value);
  }
  return flags;
}
