/** Apache Kafka as it comes: one node that is broker and controller, its own defaults but for what one node needs. */
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { end, freePorts, portOpens, running, tail } from './child.ts';
import { KAFKA_CLASS_PATH } from './kafka-install.ts';

/** What Kafka's own start script gives to Java. */
const HEAP = ['-Xmx1G', '-Xms1G'];
const PERFORMANCE = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
];

const LOGGING = `Configuration:
  Appenders:
    Console: {name: console, PatternLayout: {pattern: "%d %p %m%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: console}]}
`;

function properties(port: number, controllerPort: number, data: string): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
log.dirs=${data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`;
}

export async function startKafka(directory: string) {
  const [port, controllerPort] = await freePorts(2);
  const config = join(directory, 'server.properties');
  const logging = join(directory, 'log4j2.yaml');
  await writeFile(config, properties(port, controllerPort, join(directory, 'data')));
  await writeFile(logging, LOGGING);
  const java = [`-Dlog4j2.configurationFile=${logging}`, '-cp', KAFKA_CLASS_PATH];
  const format = ['kafka.tools.StorageTool', 'format', '-t', 'c2x1aWNlLWJlbmNoLWlkMQ', '-c', config];
  const formatted = spawnSync('java', [...java, ...format], { encoding: 'utf8' });
  if (formatted.status !== 0) throw new Error(`Kafka's storage cannot be formatted\n${formatted.stderr}`);
  const begin = performance.now();
  const args = [...HEAP, ...PERFORMANCE, ...java, 'kafka.Kafka', config];
  const child = spawn('java', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  running.set(child, () => end(child, child.pid, 'SIGKILL'));
  child.stdout.pipe(createWriteStream(join(directory, 'out')));
  await portOpens(child, port, tail(child));
  return {
    name: 'kafka' as const,
    url: `kafka://127.0.0.1:${port}`,
    bootstrap: `127.0.0.1:${port}`,
    pid: child.pid ?? -1,
    startSeconds: (performance.now() - begin) / 1000,
    stop: () => end(child, child.pid, 'SIGTERM'),
    kill: () => end(child, child.pid, 'SIGKILL'),
  };
}
