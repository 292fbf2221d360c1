import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { transactionEndBatch } from '../../../src/records/transaction-marker.ts';
import { TestBroker } from '../../broker/test-broker.ts';
import { producedBatch } from '../../log/compaction/produced-batch.ts';

/**
 * Fills a compacted stream with batches of all kinds, and has Kafka's own tool look into every record of its segments:
 * as they were written first, and after compaction.
 */
const CACHE = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const CLASS_PATH = join(CACHE, 'sluice-interop', 'kafka-tools', 'jars', '*');
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const KEYS = 200;
const BATCHES = 200;
const RECORDS = 20;

function fill(partition: Partition): void {
  for (let i = 0; i < BATCHES; i++) {
    const records = Array.from({ length: RECORDS }, (_, j) => ({
      key: `key-${(i * 7 + j * 3) % KEYS}`,
      value: (i + j) % 17 === 0 ? null : `value ${i} ${j} `.repeat(20),
      timestampMs: 1_700_000_000_000 + i,
    }));
    const producerId = i % 4 === 0 ? 1 + (i % 3) : -1;
    const isTransactional = producerId > 0;
    const compression = i % COMPRESSIONS.length;
    const batch = producedBatch(records, { compression, producerId, isTransactional });
    partition.append(batch, 0, batch.length);
    if (!isTransactional) continue;
    const isCommit = i % 8 === 0;
    const end = transactionEndBatch({
      timestampMs: 1_700_000_000_000 + i,
      producerId,
      producerEpoch: 0,
      isCommit,
      coordinatorEpoch: 0,
    });
    partition.append(end, 0, end.length);
  }
}

/** What the tool says of all files in the directory. */
async function dump(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort();
  assert.ok(names.length > 0);
  const tool = 'org.apache.kafka.tools.DumpLogSegments';
  const files = names.map((name) => join(directory, name)).join(',');
  const args = ['-cp', CLASS_PATH, tool, '--deep-iteration', '--print-data-log', '--files', files];
  const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stdout, /isvalid: false|invalid|corrupt/i);
  assert.doesNotMatch(stderr, /exception|error/i);
  for (const name of COMPRESSIONS) assert.ok(stdout.includes(`compresscodec: ${name}`), name);
  return stdout;
}

/** The keys of data records, as often as they are there. */
function keysIn(text: string): string[] {
  return Array.from(text.matchAll(/^\| offset: .* key: (key-\d+)/gm), ([, key]) => key);
}

const test = await TestBroker.start({ reclaimMs: 20 });
try {
  const { streams } = test.broker;
  const configs = new Map([
    ['cleanup.policy', 'compact'],
    ['segment.ms', '50'],
    ['segment.bytes', '200000'],
    ['min.cleanable.dirty.ratio', '0.99'],
  ]);
  const stream = streams.create({ vhost: '/', name: 's', partitions: 1, configs });
  const partition = stream.ownPartitions[0];
  const directory = join(test.directory, 'logs', String(partition.id));
  // Nothing is compacted before it has been looked at.
  streams.configure(stream, new Map([...configs, ['min.compaction.lag.ms', String(10 ** 13)]]));
  fill(partition);
  await test.flush();
  while (partition.log.tail.count > 0) await sleep(10);
  const copy = join(test.directory, 'before');
  await cp(directory, copy, { recursive: true });
  assert.equal(keysIn(await dump(copy)).length, BATCHES * RECORDS);

  streams.configure(stream, new Map([...configs, ['min.cleanable.dirty.ratio', '0']]));
  while (partition.log.cleanedTo < partition.endOffset) await sleep(10);
  await test.broker.close();
  await test.open();
  await test.broker.close();
  const left = keysIn(await dump(directory));
  assert.deepEqual([new Set(left).size, left.length], [KEYS, KEYS], 'each key is there once');
  await test.open();
} finally {
  await test[Symbol.asyncDispose]();
}
