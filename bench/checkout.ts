/** The two sides of a comparison of commits: each checked out and installed in a folder of its own. */
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from './child.ts';
import { launchSluice, type RunningSluice } from './sluice.ts';

/** The checkout in which the comparison is run: it has the load generators. */
export const HERE = fileURLToPath(new URL('..', import.meta.url));
/** Names for the files of that checkout as they are, committed or not. */
const WORKING_TREE = ['WORKTREE', '.'];

export interface Checkout {
  /** As it was asked for. */
  readonly rev: string;
  readonly commit: string;
  readonly subject: string;
  readonly directory: string;
  /** How its packages came there. */
  readonly packages: string;
  /** Flags that switch off what is not measured. */
  readonly quietFlags: readonly string[];
  /** Whether its broker has a listener for Kafka clients. */
  readonly hasKafka: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** Throws an error that says which revision there is not. */
export async function resolveCommit(rev: string): Promise<string> {
  if (WORKING_TREE.includes(rev)) return git('rev-parse', '--verify', 'HEAD^{commit}');
  try {
    return await git('rev-parse', '--verify', '--end-of-options', `${rev}^{commit}`);
  } catch {
    throw new Error(`there is no commit ${rev} in ${HERE}`);
  }
}

/** `scratch`: a folder that is removed afterwards. `other`: a checkout whose packages may serve this one too. */
export async function checkOut(
  rev: string,
  scratch: string,
  other: Checkout | undefined,
  note: (text: string) => void,
): Promise<Checkout> {
  const commit = await resolveCommit(rev);
  const subject = await git('show', '--no-patch', '--format=%s', commit);
  await mkdir(scratch);
  const isWorkingTree = WORKING_TREE.includes(rev);
  const directory = isWorkingTree ? HERE : join(scratch, 'sluice');
  if (!isWorkingTree) {
    note(`checking out ${rev}, ${commit.slice(0, 10)}`);
    // A clone that borrows the objects, and not a worktree, of which the repository would keep a record.
    await output('git', ['clone', '--quiet', '--shared', '--no-checkout', HERE, directory]);
    await output('git', ['-C', directory, 'checkout', '--quiet', '--detach', commit]);
  }
  const packages = isWorkingTree ? 'as they are there' : await install(directory, other, note);
  const env = brokerEnvironment(join(scratch, 'compiled'));
  const flags = await readFlags(directory, env);
  const isChanged = isWorkingTree && (await git('status', '--porcelain')) !== '';
  const name = isWorkingTree
    ? `working tree${isChanged ? ', with changes that are not committed' : ''}`
    : rev;
  return { rev: name, commit, subject, directory, packages, env, ...flags };
}

/** A fresh broker on a fresh data directory. */
export function startCheckout(checkout: Checkout, scratch: string): Promise<RunningSluice> {
  const { directory, env, quietFlags, hasKafka } = checkout;
  return launchSluice({ launcher: join(directory, 'bin', 'sluice'), cwd: scratch, env }, [
    ...[
      '--data-dir',
      join(scratch, 'data'),
      '--host',
      '127.0.0.1',
      '--durability',
      'sync',
      '--amqp-port',
      '0',
    ],
    ...(hasKafka ? ['--kafka-port', '0'] : []),
    ...quietFlags,
  ]);
}

async function install(
  directory: string,
  other: Checkout | undefined,
  note: (text: string) => void,
): Promise<string> {
  const candidates = [
    { from: HERE, name: 'the checkout in which this runs' },
    ...(other === undefined ? [] : [{ from: other.directory, name: other.rev }]),
  ];
  for (const { from, name } of candidates) {
    if (!existsSync(join(from, 'node_modules')) || lockFile(from) !== lockFile(directory)) continue;
    symlinkSync(join(from, 'node_modules'), join(directory, 'node_modules'));
    return `those of ${name}: package-lock.json is the same`;
  }
  note('  npm ci');
  await output('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: directory });
  return 'npm ci';
}

function lockFile(directory: string): string {
  return readFileSync(join(directory, 'package-lock.json'), 'utf8');
}

/** Settings of whoever runs this are none of the broker's, and neither is the code that other brokers have compiled. */
function brokerEnvironment(compiled: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('SLUICE_') && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(own), NODE_COMPILE_CACHE: compiled };
}

async function readFlags(
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<Pick<Checkout, 'quietFlags' | 'hasKafka'>> {
  const help = await output(join(directory, 'bin', 'sluice'), ['start', '--help'], { env });
  const ports = listenerPorts(help);
  const others = ports.filter(({ flag }) => flag !== '--amqp-port' && flag !== '--kafka-port');
  return {
    quietFlags: others.filter(({ isOn }) => isOn).flatMap(({ flag }) => [flag, 'off']),
    hasKafka: ports.some(({ flag, isOn }) => flag === '--kafka-port' && isOn),
  };
}

/** The listeners of a broker by its help, and which are open unless it is told otherwise: not those that are yet to be built. */
export function listenerPorts(help: string): { readonly flag: string; readonly isOn: boolean }[] {
  const entries = help.split(/\n {2}(?=--)/).map((entry) => entry.replace(/\s+/g, ' '));
  return entries.flatMap((entry) => {
    const flag = /^--[a-z0-9-]+-port(?= )/.exec(entry)?.[0];
    return flag === undefined ? [] : [{ flag, isOn: /Default: \d+\./.test(entry) }];
  });
}

async function git(...args: string[]): Promise<string> {
  return (await output('git', ['-C', HERE, ...args])).trim();
}
