import { flushCompileCache } from 'node:module';
import { Command } from 'commander';
import { handleBrokenPipe } from './broken-pipe.ts';
import { packageVersion } from './package-version.ts';
import { explainUnknownWords } from './unknown-words.ts';

/**
 * The `sluice` command. Only what the given subcommand needs is loaded, and the launcher has Node keep it compiled: the
 * start-up budget is 0.6 s to the ready line, and reading sources is most of it.
 */
interface Subcommand {
  readonly name: string;
  readonly summary: string;
  /** It goes on when nobody reads what it prints. */
  readonly outlivesReader?: true;
  load(): Promise<Command>;
}

const SUBCOMMANDS: readonly Subcommand[] = [
  {
    name: 'start',
    summary: 'run the broker in the foreground',
    outlivesReader: true,
    load: async () => (await import('./broker-process/start-command.ts')).startCommand(),
  },
  {
    name: 'config',
    summary: 'print the effective configuration, and where each value comes from',
    load: async () => (await import('./config/config-command.ts')).configCommand(),
  },
  {
    name: 'doctor',
    summary: 'check the files of a data directory',
    // It may be repairing them.
    outlivesReader: true,
    load: async () => (await import('./doctor/doctor-command.ts')).doctorCommand(),
  },
  {
    name: 'bench',
    summary: 'generate load on a broker and measure it',
    load: async () => (await import('./bench/command.ts')).benchCommand(),
  },
  {
    name: 'overview',
    summary: 'how much there is in the broker, and what it uses',
    load: async () => (await import('./admin/overview.ts')).overviewCommand(),
  },
  {
    name: 'users',
    summary: 'who may connect: list, add, set, delete',
    load: async () => (await import('./admin/users.ts')).usersCommand(),
  },
  {
    name: 'permissions',
    summary: 'what users may do: list, set, delete',
    load: async () => (await import('./admin/permissions.ts')).permissionsCommand(),
  },
  {
    name: 'topic-permissions',
    summary: 'with which routing keys: list, set, delete',
    load: async () => (await import('./admin/permissions.ts')).topicPermissionsCommand(),
  },
  {
    name: 'acls',
    summary: 'what Kafka clients may do, beside permissions: list, add, delete',
    load: async () => (await import('./admin/acls.ts')).aclsCommand(),
  },
  {
    name: 'quotas',
    summary: 'how much Kafka clients may do: list, set, delete',
    load: async () => (await import('./admin/quotas.ts')).quotasCommand(),
  },
  {
    name: 'vhosts',
    summary: 'virtual hosts: list, add, delete',
    load: async () => (await import('./admin/vhosts.ts')).vhostsCommand(),
  },
  {
    name: 'limits',
    summary: 'how many connections, channels and queues: list, set, delete',
    load: async () => (await import('./admin/vhosts.ts')).limitsCommand(),
  },
  {
    name: 'policies',
    summary: 'settings for all that match: list, set, delete',
    load: async () => (await import('./admin/policies.ts')).policiesCommand(),
  },
  {
    name: 'operator-policies',
    summary: 'limits for all that match: list, set, delete',
    load: async () => (await import('./admin/policies.ts')).operatorPoliciesCommand(),
  },
  {
    name: 'queues',
    summary: 'queues: list, show, add, delete, purge',
    load: async () => (await import('./admin/topology.ts')).queuesCommand(),
  },
  {
    name: 'exchanges',
    summary: 'exchanges: list, add, delete',
    load: async () => (await import('./admin/topology.ts')).exchangesCommand(),
  },
  {
    name: 'streams',
    summary: 'streams, which are topics to Kafka: list, describe, create, delete',
    load: async () => (await import('./admin/streams.ts')).streamsCommand(),
  },
  {
    name: 'bindings',
    summary: 'bindings: list, add, delete',
    load: async () => (await import('./admin/topology.ts')).bindingsCommand(),
  },
  {
    name: 'groups',
    summary: 'groups of readers: list, describe, offsets, delete, reset-offsets',
    load: async () => (await import('./admin/groups.ts')).groupsCommand(),
  },
  {
    name: 'connections',
    summary: 'who is connected: list, show, close',
    load: async () => (await import('./admin/connections.ts')).connectionsCommand(),
  },
  {
    name: 'channels',
    summary: 'channels: list',
    load: async () => (await import('./admin/connections.ts')).channelsCommand(),
  },
  {
    name: 'consumers',
    summary: 'consumers: list',
    load: async () => (await import('./admin/connections.ts')).consumersCommand(),
  },
  {
    name: 'events',
    summary: 'print what happens in the broker, as it happens',
    load: async () => (await import('./admin/events.ts')).eventsCommand(),
  },
  {
    name: 'trace',
    summary: 'copy all messages to amq.rabbitmq.trace: on, off, status',
    load: async () => (await import('./admin/events.ts')).traceCommand(),
  },
];

const USAGE_STATUS = 2;

async function main(words: readonly string[]): Promise<void> {
  const program = new Command('sluice')
    .description('A message broker for RabbitMQ, Kafka, MQTT and STOMP clients over one durable log.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'describe a command')
    .showHelpAfterError('(sluice help tells what there is)');

  const wanted = words.filter((word) => !word.startsWith('-') && word !== 'help')[0];
  handleBrokenPipe(
    SUBCOMMANDS.some(({ name, outlivesReader }) => name === wanted && outlivesReader === true),
  );
  for (const subcommand of SUBCOMMANDS) {
    const command =
      subcommand.name === wanted
        ? await subcommand.load()
        : new Command(subcommand.name).allowUnknownOption();
    program.addCommand(command.summary(subcommand.summary).copyInheritedSettings(program));
    for (const each of command.commands) each.copyInheritedSettings(program);
  }
  for (const command of [
    program,
    ...program.commands,
    ...program.commands.flatMap((each) => each.commands),
  ]) {
    explainUnknownWords(command);
    // Wrong usage ends with 2 everywhere; commander's own choice is 1. Help and version end with 0.
    command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE_STATUS));
  }
  flushSoon();
  // commander would print the help of the program, as if that were what was asked for.
  const isKnown = SUBCOMMANDS.some(({ name }) => name === wanted);
  if (words[0] === 'help' && wanted !== undefined && !isKnown)
    program.error(`error: unknown command '${wanted}'`);
  await program.parseAsync(words, { from: 'user' });
}

/** Node writes its cache of compiled code at the end; a broker that is killed has none. So we do, when the start is over. */
function flushSoon(): void {
  setTimeout(flushCompileCache, 2000).unref();
}

await main(process.argv.slice(2));
