import { Command } from 'commander';
import { loadConfiguration } from '../config/configuration.ts';
import { addSettingFlags, givenFlags } from '../config/setting-flags.ts';
import { fail } from '../failure.ts';

export function startCommand(): Command {
  const command = addSettingFlags(new Command('start'))
    .description(
      'Runs the broker in the foreground until SIGTERM or SIGINT. Prints one line when it is ready:\n' +
        '  sluice ready amqp=127.0.0.1:5672 pid=1234',
    )
    .action(async () => {
      try {
        const effective = loadConfiguration(givenFlags(command), process.env);
        const { start } = await import('./start.ts');
        await start(effective);
      } catch (error) {
        fail(error);
      }
    });
  return command;
}
