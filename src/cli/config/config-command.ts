import { Command } from 'commander';
import { fail } from '../failure.ts';
import { type EffectiveConfiguration, loadConfiguration } from './configuration.ts';
import { addSettingFlags, givenFlags } from './setting-flags.ts';
import { ALL_SETTINGS } from './settings.ts';

export function configCommand(): Command {
  const command = addSettingFlags(new Command('config'))
    .description(
      'Prints the effective configuration as a TOML file, each value with its origin as a comment.',
    )
    .action(() => {
      try {
        process.stdout.write(renderConfiguration(loadConfiguration(givenFlags(command), process.env)));
      } catch (error) {
        fail(error);
      }
    });
  return command;
}

/** `host = "127.0.0.1"   # default`, a line for each setting: what is printed may be used as a configuration file. */
export function renderConfiguration({ values, origins }: EffectiveConfiguration): string {
  const lines = ALL_SETTINGS.map((setting) => {
    const text = setting.format(values[setting.name]);
    const value = /^\d+$/.test(text) ? text : JSON.stringify(text);
    return { assignment: `${setting.key} = ${value}`, origin: origins.get(setting.name) };
  });
  const width = lines.reduce((widest, { assignment }) => Math.max(widest, assignment.length), 0);
  return lines.map((line) => `${line.assignment.padEnd(width)}  # ${line.origin}\n`).join('');
}
