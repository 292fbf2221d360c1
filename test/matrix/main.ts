import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { withDirectory } from '../../bench/brokers.ts';
import { ensureRabbitmq } from '../../bench/rabbitmq-install.ts';
import { TestServer } from '../servers/amqp091/test-server.ts';
import { idOf } from './case.ts';
import { allCases } from './cases/all.ts';
import { type Answers, type Comparison, describeComparison } from './compare.ts';
import { startReference } from './rabbitmq.ts';
import { RECORD_FILE, readRecord } from './record.ts';
import { hold, runAll } from './run-all.ts';
import { setUpUsers } from './sluice.ts';

/**
 * Every method × what may be wrong with it, against Sluice, and against a RabbitMQ or what one answered before:
 *
 *     npm run test:matrix -- [--peer rabbitmq] [--record] [--url amqp://127.0.0.1:PORT] [--only TEXT]
 *
 * With `--peer rabbitmq` the cases are put to a RabbitMQ that is started for it; `--record` keeps what it answered (format it afterwards).
 * With `--url` another broker than one of ours is held against the record; it needs the users of `users.ts`.
 */
const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    record: { type: 'boolean', default: false },
    url: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const cases = allCases.filter((each) => idOf(each).includes(values.only));
const theirs = values.peer === undefined ? await readRecord() : await askRabbitmq();
const comparison = await holdSluice();
console.log(describeComparison(comparison));
const isComplete = values.only === '';
if (comparison.failures.length > 0 || (isComplete && comparison.stale.length > 0)) process.exitCode = 1;

async function askRabbitmq(): Promise<Answers> {
  if (values.peer !== 'rabbitmq')
    throw new Error(`--peer rabbitmq is the only one there is, not ${values.peer}`);
  ensureRabbitmq((text) => console.error(text));
  return await withDirectory(async (directory) => {
    const { address, version, stop } = await startReference(directory);
    try {
      const answers = await runAll(cases, { ...address, quietMs: 300 });
      if (values.record) {
        const known = { ...(await readRecord()), ...answers };
        const record = Object.fromEntries(allCases.map((each) => [idOf(each), known[idOf(each)]]));
        await writeFile(RECORD_FILE, `${JSON.stringify(record, null, 2)}\n`);
      }
      console.log(`RabbitMQ ${version}: ${cases.length} cases`);
      return answers;
    } finally {
      await stop();
    }
  });
}

async function holdSluice(): Promise<Comparison> {
  if (values.url !== undefined) {
    const { hostname, port } = new URL(values.url);
    return await hold(cases, { host: hostname, port: Number(port || 5672), quietMs: 300 }, theirs);
  }
  await using test = await TestServer.start();
  await setUpUsers(test.broker);
  return await hold(cases, { host: '127.0.0.1', port: test.server.port, quietMs: 150 }, theirs);
}
