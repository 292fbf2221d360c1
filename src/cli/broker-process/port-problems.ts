import type { Configuration } from '../config/settings.ts';
import { type ClientListener, portInShard } from './components.ts';

const PORT_MAX = 65_535;

/** What is wrong with the ports of several shards, where each has some of its own: they meet, or are no ports. */
export function portProblems(
  listeners: readonly Pick<ClientListener, 'protocol' | 'title' | 'setting' | 'ports'>[],
  configuration: Configuration,
  shards: number,
): string[] {
  const problems: string[] = [];
  const taken = new Map<number, string>();
  for (const listener of listeners) {
    const { protocol, ports } = listener;
    for (let shard = 0; shard < (ports === 'each' ? shards : 1); shard++) {
      const port = portInShard(listener, configuration, shard);
      if (port === 0) continue;
      const name = shard === 0 ? `${protocol}-port` : `${protocol}-port of shard ${shard}`;
      const other = taken.get(port);
      if (port > PORT_MAX)
        problems.push(`${name} would be ${port}, which is no port: ${advice(configuration)}`);
      else if (other !== undefined)
        problems.push(`${other} and ${name} would both be ${port}: ${advice(configuration)}`);
      taken.set(port, name);
    }
  }
  return problems;
}

function advice({ kafkaShardPortStep }: Configuration): string {
  return `change one of them, or kafka-shard-port-step, which is ${kafkaShardPortStep}`;
}
