import { parseArgs } from 'node:util';
import { withDirectory } from '../../../bench/brokers.ts';
import { startKafka } from '../../../bench/kafka-broker.ts';
import { ensureKafka } from '../../../bench/kafka-install.ts';
import { KafkaTestServer } from '../../servers/kafka/test-server.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { history } from './operations.ts';
import { Party } from './party.ts';

/**
 * Random histories of transactional producers, right and wrong ones, against Sluice and an Apache Kafka: both have to
 * give the same answers, and to be in the same situation after each.
 *
 *     node test/matrix/transactions/main.ts [--histories N] [--seed N] [--kafka PORT]
 *
 * A Kafka is started for it, unless there is one already at a port of this machine.
 */
const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    kafka: { type: 'string' },
  },
});
const LENGTH = 25;
const SHOWN = 6;

if (values.kafka !== undefined) {
  await compareAll(Number(values.kafka));
} else {
  ensureKafka((text) => console.error(text));
  await withDirectory(async (directory) => {
    const kafka = await startKafka(directory);
    try {
      await compareAll(Number(kafka.bootstrap?.split(':')[1]));
    } finally {
      await kafka.stop();
    }
  });
}

async function compareAll(kafkaPort: number): Promise<void> {
  await using server = await KafkaTestServer.start();
  const first = Number(values.seed);
  const count = Number(values.histories);
  let failed = 0;
  for (let seed = first; seed < first + count; seed++) {
    const difference = await compare(seed, server.server.port, kafkaPort);
    if (difference === null) continue;
    failed++;
    console.log(`seed ${seed}:\n${difference}`);
  }
  console.log(`transactions: ${count - failed} histories with the same answers, ${failed} with others`);
  if (failed > 0) process.exitCode = 1;
}

/** What came before the first difference, and that; null if there is none. */
async function compare(seed: number, port: number, kafkaPort: number): Promise<string | null> {
  const name = `history-${process.pid}-${seed}`;
  const ours = await Party.join(port, name);
  const theirs = await Party.join(kafkaPort, name);
  const lines: string[] = [];
  try {
    for (const operation of history(seededRandom(seed), LENGTH)) {
      const [our, their] = [await ours.answer(operation), await theirs.answer(operation)];
      const [here, there] = [await ours.situation(), await theirs.situation()];
      lines.push(
        `  ${JSON.stringify(operation)}\n    Sluice: ${our}; ${here}\n    Kafka:  ${their}; ${there}`,
      );
      if (our !== their || here !== there) return lines.slice(-SHOWN).join('\n');
    }
    return null;
  } finally {
    ours.leave();
    theirs.leave();
  }
}
