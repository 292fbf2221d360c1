import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type RunningBroker, startRabbitmq } from '../../bench/brokers.ts';
import { RABBITMQ_SERVER } from '../../bench/rabbitmq-install.ts';
import { users } from './users.ts';

const CONTROL = join(dirname(RABBITMQ_SERVER), 'rabbitmqctl');
const run = promisify(execFile);

/** A RabbitMQ of its own in `directory`, with the users of the matrix. */
export async function startReference(
  directory: string,
): Promise<{ address: { host: string; port: number }; version: string; stop: () => Promise<void> }> {
  const broker = await startRabbitmq(directory);
  try {
    const control = await controlOf(broker);
    await setUpUsers(control);
    const { hostname, port } = new URL(broker.url);
    const version = (await control('version')).trim();
    return { address: { host: hostname, port: Number(port) }, version, stop: () => broker.stop() };
  } catch (error) {
    await broker.stop();
    throw error;
  }
}

type Control = (...args: string[]) => Promise<string>;

async function setUpUsers(control: Control): Promise<void> {
  for (const { name, tags, permissions, topicPermissions } of users) {
    await control('add_user', name, name);
    if (tags.length > 0) await control('set_user_tags', name, ...tags);
    if (permissions !== null) {
      const { configure, write, read } = permissions;
      await control('set_permissions', name, configure, write, read);
    }
    if (topicPermissions !== undefined) {
      const { exchange, write, read } = topicPermissions;
      await control('set_topic_permissions', name, exchange, write, read);
    }
  }
}

/** rabbitmqctl for a node that has its name, home and port mapper for itself: its environment knows them. */
async function controlOf({ pid }: RunningBroker): Promise<Control> {
  const environment = Object.fromEntries(
    (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const env = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: environment.HOME,
    ERL_EPMD_PORT: environment.ERL_EPMD_PORT,
    RABBITMQ_NODENAME: environment.RABBITMQ_NODENAME,
  };
  return async (...args) => (await run(CONTROL, ['-q', ...args], { env })).stdout;
}
