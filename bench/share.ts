/** Share groups: what it takes to hand out records and take their acknowledgements, in the broker's own process. */
import { Broker } from '../src/broker/broker.ts';
import { ACKNOWLEDGE, type Acknowledgement } from '../src/broker/groups/share/acknowledgement.ts';
import { AcquiredRanges } from '../src/broker/groups/share/acquired-ranges.ts';
import type { ShareReader } from '../src/broker/groups/share/share-reader.ts';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { RecordBatchBuilder } from '../src/records/batch-builder.ts';
import { withDirectory } from './brokers.ts';

const VALUE_BYTES = 100;
/** As many as Kafka's clients ask for at once. */
const FETCH_RECORDS = 500;
const FETCH_BYTES = 50 * 1024 * 1024;

const SCENARIOS = [
  { name: 'all accepted', batch: 100, isExact: false, released: 0, isStuck: false },
  { name: 'one record in a batch', batch: 1, isExact: false, released: 0, isStuck: false },
  { name: 'large batches, in pieces', batch: 5000, isExact: true, released: 0, isStuck: false },
  { name: 'every second one released once', batch: 100, isExact: false, released: 2, isStuck: false },
  { name: 'the first one never acknowledged', batch: 100, isExact: false, released: 0, isStuck: true },
] as const;
type Scenario = (typeof SCENARIOS)[number];

interface ShareFigures {
  readonly name: string;
  readonly perSecond: number;
  /** Of the last tenth, in parts of what it is in the first: about 1 if nothing grows with what was done before. */
  readonly lastToFirst: number;
  readonly residentMiB: number;
}

export interface ShareResult {
  readonly machine: Machine;
  readonly records: number;
  readonly figures: readonly ShareFigures[];
  readonly text: string;
}

export async function measureShare(records: number, note: (text: string) => void): Promise<ShareResult> {
  const figures: ShareFigures[] = [];
  for (const scenario of SCENARIOS) {
    note(`${records} records: ${scenario.name}`);
    figures.push(await withDirectory((directory) => measure(directory, records, scenario)));
  }
  const machine = describeMachine();
  const lines = figures.map(
    ({ name, perSecond, lastToFirst, residentMiB }) =>
      `${name.padEnd(34)} ${String(perSecond).padStart(8)}/s   ${lastToFirst.toFixed(2)}   ${residentMiB} MiB`,
  );
  const text = [
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}, durability sync`,
    `${records} records of ${VALUE_BYTES} B on one partition; handed out and acknowledged, last tenth to first, resident`,
    ...lines,
  ].join('\n');
  return { machine, records, figures, text };
}

async function measure(directory: string, records: number, scenario: Scenario): Promise<ShareFigures> {
  const broker = await Broker.open({ dataDirectory: `${directory}/data` });
  const reader = await prepare(broker, records, scenario);
  if (scenario.isStuck) reader.share.acquire('somebody', 0, 0, 1, 1, new AcquiredRanges());
  const tenths: number[] = [];
  const startMs = performance.now();
  let markMs = startMs;
  let deliveries = 0;
  // Somebody holds the first one for good.
  const goal = scenario.isStuck ? records - 1 : records;
  for (let done = 0, fetches = 0; done < goal; fetches++) {
    const limits = { records: FETCH_RECORDS, bytes: FETCH_BYTES, isExact: scenario.isExact };
    const { ranges } = await reader.acquire('member', limits);
    const acknowledgements = acknowledge(ranges, scenario.released);
    deliveries += ranges.count;
    reader.share.acknowledge('member', acknowledgements);
    // Not each by itself: several members' acknowledgements are in one write to the disk.
    if (fetches % 8 === 0) await broker.shard.store.journal.flush();
    done = records - reader.share.settled.missingIn(0, records);
    if (done >= ((tenths.length + 1) * goal) / 10) {
      tenths.push(performance.now() - markMs);
      markMs = performance.now();
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  const residentMiB = Math.round(process.memoryUsage.rss() / 1024 / 1024);
  await broker.close();
  return {
    name: scenario.name,
    perSecond: Math.round(deliveries / seconds),
    lastToFirst: (tenths.at(-1) ?? 0) / (tenths[0] ?? 1),
    residentMiB,
  };
}

async function prepare(broker: Broker, records: number, { batch }: Scenario): Promise<ShareReader> {
  const { streams, shareGroups, groupConfigs } = broker;
  const { store } = broker.shard;
  const stream = streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
  const partition = stream.ownPartitions[0];
  if (partition === undefined) throw new Error('a stream without a partition');
  const bytes = batchOf(batch);
  for (let appended = 0; appended < records; appended += batch) {
    partition.append(bytes, 0, bytes.length);
    if (appended % 50_000 === 0) await store.journal.flush();
  }
  await store.journal.flush();
  groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
  const member = { rackId: null, subscribed: ['s'], clientId: '', host: '' };
  shareGroups.heartbeat('/', 'g', { memberId: 'member', epoch: 0, ...member });
  const group = shareGroups.find('/', 'g');
  const reader = group === undefined ? undefined : shareGroups.reader(group, stream.id, 0);
  if (reader === undefined) throw new Error('the group does not read the stream');
  return reader;
}

function batchOf(count: number): Buffer {
  const content = Buffer.alloc(VALUE_BYTES + 4, 'x');
  // No key; a value; no headers.
  content[0] = 1;
  content.writeUInt16LE(((VALUE_BYTES * 2) & 0x7f) | 0x80 | (((VALUE_BYTES * 2) >> 7) << 8), 1);
  content[content.length - 1] = 0;
  const builder = new RecordBatchBuilder(count * (content.length + 24) + 64);
  builder.begin();
  for (let offset = 0; offset < count; offset++)
    builder.append(offset, Date.now(), content, 0, content.length);
  return Buffer.from(builder.finishPlain(0));
}

/** `released`: each so-many-th record, the first time that it comes. */
function acknowledge({ firsts, lasts, deliveries }: AcquiredRanges, released: number): Acknowledgement[] {
  return firsts.map((firstOffset, i) => {
    const lastOffset = lasts[i];
    if (released === 0 || deliveries[i] !== 1)
      return { firstOffset, lastOffset, types: [ACKNOWLEDGE.accept] };
    const types: number[] = [];
    for (let offset = firstOffset; offset <= lastOffset; offset++) {
      types.push(offset % released === 0 ? ACKNOWLEDGE.release : ACKNOWLEDGE.accept);
    }
    return { firstOffset, lastOffset, types };
  });
}
