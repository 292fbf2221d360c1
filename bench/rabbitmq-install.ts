/** Gets Debian's RabbitMQ where it is missing, without letting the package start a broker of its own. */
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

export const RABBITMQ_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Debian's packages ask this program whether they may start a service; 101 means no (invoke-rc.d(8)). */
const POLICY = '/usr/sbin/policy-rc.d';

/** Throws an error that says why RabbitMQ cannot be had. */
export function ensureRabbitmq(note: (text: string) => void): void {
  if (existsSync(RABBITMQ_SERVER)) return;
  const problem = `RabbitMQ cannot be measured: ${RABBITMQ_SERVER} is not there`;
  if (!existsSync('/usr/bin/apt-get')) throw new Error(`${problem}, and this is no system with apt-get`);
  if (process.getuid?.() !== 0) {
    throw new Error(`${problem}; install Debian's package rabbitmq-server, or run this as root`);
  }
  note('installing rabbitmq-server');
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const options: SpawnSyncOptions = { env, stdio: ['ignore', 'ignore', 'inherit'] };
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', 'rabbitmq-server'], options);
  } finally {
    if (ours) rmSync(POLICY);
  }
  if (!existsSync(RABBITMQ_SERVER)) throw new Error(`${problem}, and apt-get could not install it`);
}
