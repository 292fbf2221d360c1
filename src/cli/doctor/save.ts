import { randomBytes } from 'node:crypto';
import { decodeStreamOperation, encodeStreamOperation } from '../../broker/streams/stream-operations.ts';
import { decodeOperation, encodeOperation, type MetadataOperation } from '../../broker/topology/metadata.ts';
import { CorruptionError } from '../../log/corruption.ts';
import type { FileSystem } from '../../log/files/filesystem.ts';
import { type EntryVisitor, visitBlock } from '../../log/journal/entry-visitor.ts';
import { messageLogId, messageOffset } from '../../log/journal/format.ts';
import {
  type SalvagedJournal,
  salvageJournal,
  writeSalvagedJournal,
} from '../../log/journal/journal-salvage.ts';
import { FIRST_FILE } from '../../log/journal/position.ts';
import { whyOlder } from '../../log/newest-snapshot.ts';
import { AcknowledgedOffsets } from '../../log/queues/acknowledged-offsets.ts';
import { copySegment, type SalvagedLog, salvageLog } from '../../log/segments/segment-salvage.ts';
import { logsWithFiles } from '../../log/segments/stray-logs.ts';
import {
  type LogSnapshot,
  readSnapshot,
  type Snapshot,
  type StreamSnapshot,
  writeSnapshot,
} from '../../log/snapshot.ts';
import { baseOffsetOf } from '../../records/batch-view.ts';
import { Inspector } from './inspection.ts';
import { LogOwners } from './log-owners.ts';
import { repairAll } from './repair.ts';

/** The broker's part of a snapshot, as far as it is made here. */
interface BrokerPart {
  readonly nextQueueId: number;
  readonly metadata: readonly string[];
  readonly parts?: readonly string[];
  readonly delivered: readonly unknown[];
  readonly queues: readonly unknown[];
}

const NOTHING: BrokerPart = { nextQueueId: 1, metadata: [], parts: [], delivered: [], queues: [] };

/** Resolves with lines for the user: what was saved, and what is known to be lost. */
export async function saveDirectory(fs: FileSystem, from: string, to: string): Promise<string[]> {
  return new Saving(fs, from, to).run();
}

/**
 * Makes a new data directory of what can still be read of one: of the snapshot, of all whole blocks of the journal before and behind
 * what is damaged, and of all sound batches of segments. What is there is only read. Where the snapshot does not tell (it is
 * missing, damaged, or older than the segments), logs get the names that the journal has for them, else that of the
 * queue that their messages were published to, else `recovered.log-<number>`.
 */
class Saving {
  readonly #fs: FileSystem;
  readonly #from: string;
  readonly #to: string;
  readonly #lines: string[] = [];
  readonly #owners = new LogOwners();
  readonly #vhosts = new Set<string>();
  readonly #names = new Set<string>();
  /** Of each log, the first offset that the journal has of it. */
  readonly #firstInJournal = new Map<number, number>();

  constructor(fs: FileSystem, from: string, to: string) {
    this.#fs = fs;
    this.#from = from;
    this.#to = to;
  }

  async run(): Promise<string[]> {
    const fs = this.#fs;
    await fs.makeDirectory(`${this.#to}/journal`);
    await fs.makeDirectory(`${this.#to}/logs`);
    const snapshot = await this.#readSnapshot();
    const journal = await salvageJournal(fs, `${this.#from}/journal`, snapshot?.nextBlock ?? 0);
    this.#lookAt(snapshot, journal);
    const { logs, streams, operations, epoch } = await this.#saveLogs(snapshot, journal);
    const numberOf = await writeSalvagedJournal(fs, `${this.#to}/journal`, journal, epoch);
    const known = (snapshot?.broker ?? NOTHING) as BrokerPart;
    let nextQueueId = known.nextQueueId;
    for (const { id } of [...logs, ...streams]) nextQueueId = Math.max(nextQueueId, id + 1);
    for (const id of this.#owners.byLog.keys()) nextQueueId = Math.max(nextQueueId, id + 1);
    await writeSnapshot(fs, this.#to, {
      nextBlock: numberOf(snapshot?.nextBlock ?? 0),
      journal: FIRST_FILE,
      clean: false,
      saved: true,
      logs,
      streams,
      deleted: snapshot?.deleted ?? [],
      broker: {
        ...known,
        nextQueueId,
        metadata: [...this.#vhostOperations(), ...known.metadata, ...operations.metadata],
        parts: [...operations.parts, ...(known.parts ?? [])],
      },
    });
    await this.#repairCopies();
    await fs.syncDirectory(`${this.#to}/journal`);
    await fs.syncDirectory(`${this.#to}/logs`);
    await fs.syncDirectory(this.#to);
    return this.#lines;
  }

  async #readSnapshot(): Promise<Snapshot | null> {
    try {
      const snapshot = await readSnapshot(this.#fs, this.#from);
      if (snapshot === null)
        this.#lines.push(
          'the snapshot is missing: names, bindings, users and acknowledgements that only it had are lost',
        );
      return snapshot;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.#lines.push(
        `lost: ${error.path}: ${error.what}; names, bindings, users and acknowledgements that only it had`,
      );
      return null;
    }
  }

  /** Finds the names of logs, and where the journal has what of them. */
  #lookAt(snapshot: Snapshot | null, { files, gaps }: SalvagedJournal): void {
    this.#owners.readSnapshot(snapshot?.broker);
    for (const { from, to } of gaps)
      this.#lines.push(`lost: blocks ${from} to ${to - 1} of the journal cannot be read, or are not there`);
    const nothing = (): void => undefined;
    const note = (id: number, offset: number): void => {
      // Behind a gap there may be more in segments than the journal has.
      if (gaps.length === 0 && !this.#firstInJournal.has(id)) this.#firstInJournal.set(id, offset);
    };
    const visitor: EntryVisitor = {
      acknowledged: nothing,
      message: (image, at, count) => {
        for (let i = 0; i < count; i++) note(messageLogId(image, at, count, i), messageOffset(image, at, i));
      },
      batch: (image, id, at) => note(id, baseOffsetOf(image.buffer, at)),
      metadata: (bytes) => {
        this.#owners.apply(bytes);
        this.#noteNames(bytes);
      },
    };
    for (const { image, blocks } of files) for (const block of blocks) visitBlock(image, block, visitor);
    const known = snapshot?.broker as BrokerPart | undefined;
    for (const text of [...(known?.metadata ?? []), ...(known?.parts ?? [])])
      this.#noteNames(Buffer.from(text));
  }

  #noteNames(bytes: Buffer): void {
    const text = bytes.toString('utf8');
    if (!/^\{"op":"(queue|exchange|binding|delay|policy|operator-policy|vhost)\./.test(text)) {
      if (text.startsWith('{"op":"stream.create"')) {
        const operation = decodeStreamOperation(bytes);
        if (operation.op === 'stream.create') this.#names.add(operation.name);
      }
      return;
    }
    const operation = decodeOperation(bytes);
    if (operation.op !== 'vhost.delete') this.#vhosts.add(operation.vhost);
    if ('name' in operation) this.#names.add(operation.name);
  }

  async #saveLogs(snapshot: Snapshot | null, { epoch: journalEpoch }: SalvagedJournal) {
    const logs: LogSnapshot[] = [];
    const streams: StreamSnapshot[] = [];
    const operations: { readonly metadata: string[]; readonly parts: string[] } = { metadata: [], parts: [] };
    let epoch = journalEpoch;
    const queues = new Map((snapshot?.logs ?? []).map((log) => [log.id, log]));
    const partitions = new Map((snapshot?.streams ?? []).map((stream) => [stream.id, stream]));
    const isOlder = snapshot !== null && (await whyOlder(this.#fs, this.#from, snapshot)) !== null;
    if (isOlder)
      this.#lines.push(
        'the snapshot is older than the segments: what it does not know of them is saved as well',
      );
    for (const log of queues.values())
      logs.push(isOlder ? await this.#extendQueue(log) : await this.#copyKnown(log));
    for (const stream of partitions.values())
      streams.push(isOlder ? await this.#extendStream(stream) : await this.#copyKnown(stream));
    const { deleted } = this.#owners;
    const isKnown = (id: number): boolean => queues.has(id) || partitions.has(id) || deleted.has(id);
    const isOld = new Set(snapshot?.deleted ?? []);
    for (const id of await logsWithFiles(
      this.#fs,
      this.#from,
      (each) => !isKnown(each) && !isOld.has(each),
    )) {
      const log = await this.#saveUnknown(id);
      if (log === null) continue;
      epoch = Math.max(epoch, log.epoch);
      const isNamed = this.#owners.byLog.has(id);
      const name = isNamed ? '' : this.#nameFor(id, log);
      if (log.isStream) {
        const [first] = log.segments;
        streams.push({
          id,
          start: first.baseOffset,
          end: log.end,
          tailStart: log.end,
          segments: log.segments,
        });
        if (!isNamed) operations.parts.push(streamNamed(name, id));
      } else {
        const { missing, segments, end } = log;
        logs.push({ id, head: missing.head, settled: missing.state(), end, tailStart: end, segments });
        if (!isNamed) operations.metadata.push(queueNamed(name, id));
      }
      const what = isNamed ? this.#owners.byLog.get(id) : `${log.isStream ? 'stream' : 'queue'} '${name}'`;
      this.#lines.push(`saved: logs/${id}: ${log.records} records, as ${what}`);
    }
    return { logs, streams, operations, epoch };
  }

  /** Files as the snapshot names them; they are repaired afterwards. */
  async #copyKnown<L extends LogSnapshot | StreamSnapshot>(log: L): Promise<L> {
    if (log.segments.length === 0) return log;
    const from = `${this.#from}/logs/${log.id}`;
    const to = `${this.#to}/logs/${log.id}`;
    await this.#fs.makeDirectory(to);
    for (const name of await this.#fs.list(from).catch(() => [])) {
      if (/\.(log|cleaned)$/.test(name)) await copySegment(this.#fs, `${from}/${name}`, `${to}/${name}`);
    }
    await this.#fs.syncDirectory(to);
    return log;
  }

  /** Of a queue that the snapshot knows: what came into its segments after the snapshot. */
  async #extendQueue(log: LogSnapshot): Promise<LogSnapshot> {
    const found = await this.#saveUnknown(log.id);
    if (found === null) return { ...log, segments: [] };
    const { missing, segments, end } = found;
    const settled = new AcknowledgedOffsets();
    settled.load(log.head, log.settled);
    settled.add(0, missing.head);
    for (const [from, to] of missing.beyond.ranges()) settled.add(from, to);
    const tailStart = Math.max(end, log.tailStart);
    return {
      id: log.id,
      head: settled.head,
      settled: settled.state(),
      tailStart,
      end: Math.max(end, log.end),
      segments,
    };
  }

  async #extendStream(stream: StreamSnapshot): Promise<StreamSnapshot> {
    const found = await this.#saveUnknown(stream.id);
    if (found === null) return { ...stream, segments: [] };
    const tailStart = Math.max(found.end, stream.tailStart);
    return { ...stream, tailStart, end: Math.max(found.end, stream.end), segments: found.segments };
  }

  async #saveUnknown(id: number): Promise<SalvagedLog | null> {
    const to = `${this.#to}/logs/${id}`;
    await this.#fs.makeDirectory(to);
    const limit = this.#firstInJournal.get(id) ?? Number.POSITIVE_INFINITY;
    const log = await salvageLog(this.#fs, `${this.#from}/logs/${id}`, to, limit);
    if (log === null) {
      await this.#fs.remove(to);
      return null;
    }
    await this.#fs.syncDirectory(to);
    for (const { path, position, bytes, what } of log.corrupt)
      this.#lines.push(
        `lost: ${bytes} bytes from byte ${position} of ${path.replace(this.#to, this.#from)}: ${what}`,
      );
    return log;
  }

  #nameFor(id: number, { isStream, queueName }: SalvagedLog): string {
    const name =
      !isStream && queueName !== '' && !this.#names.has(queueName) ? queueName : `recovered.log-${id}`;
    this.#names.add(name);
    return name;
  }

  #vhostOperations(): string[] {
    const vhosts = new Set(['/', ...this.#vhosts]);
    return [...vhosts].map((vhost) => textOf({ op: 'vhost.create', vhost }));
  }

  async #repairCopies(): Promise<void> {
    const inspection = await new Inspector(this.#fs, this.#to).inspect();
    for (const { path, offset, what, affected } of inspection.findings)
      this.#lines.push(`lost: ${affected}: ${path.replace(this.#to, this.#from)} at byte ${offset}: ${what}`);
    await repairAll(this.#fs, this.#to, inspection);
    // Segments that cannot be read are kept beside their copies where they are cut; here the old directory has them.
    for (const { corruption } of inspection.findings)
      if (corruption.file === 'segment') await this.#fs.remove(`${corruption.segment.path}.cut`);
  }
}

function textOf(operation: MetadataOperation): string {
  return Buffer.from(encodeOperation(operation)).toString('utf8');
}

function queueNamed(name: string, id: number): string {
  return textOf({ op: 'queue.declare', vhost: '/', name, id, autoDelete: false, arguments: {} });
}

/** A stream of one partition; what belonged to the same topic is not known any more. */
function streamNamed(name: string, partition: number): string {
  const id = randomBytes(16).toString('base64url');
  const operation = {
    op: 'stream.create',
    vhost: '/',
    name,
    id,
    partitions: [partition],
    configs: {},
  } as const;
  return Buffer.from(encodeStreamOperation(operation)).toString('utf8');
}
