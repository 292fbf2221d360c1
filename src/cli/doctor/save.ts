import { randomBytes } from 'node:crypto';
import { OWN_LOG_IDS } from '../../broker/broker-state.ts';
import { decodeStreamOperation, encodeStreamOperation } from '../../broker/streams/stream-operations.ts';
import { decodeOperation, encodeOperation, type MetadataOperation } from '../../broker/topology/metadata.ts';
import { CorruptionError } from '../../log/corruption.ts';
import type { FileSystem } from '../../log/files/filesystem.ts';
import { shardDirectory, usedShards } from '../../log/files/shard-directories.ts';
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
import { idsIn, logsWithFiles } from '../../log/segments/stray-logs.ts';
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
import { inShard } from './shard-line.ts';

/** The broker's part of a snapshot, as far as it is made here. */
interface BrokerPart {
  readonly nextQueueId: number;
  readonly metadata: readonly string[];
  readonly parts?: readonly string[];
  readonly delivered: readonly unknown[];
  readonly queues: readonly unknown[];
  readonly changes?: number;
}

/** Of another shard than 0: which it is, and what shard 0 has. */
interface OtherShard {
  readonly shard: number;
  readonly first: Saving;
}

const NOTHING: BrokerPart = { nextQueueId: 1, metadata: [], parts: [], delivered: [], queues: [] };

/** Resolves with lines for the user: what was saved, and what is known to be lost. */
export async function saveDirectory(fs: FileSystem, from: string, to: string): Promise<string[]> {
  const used = (await usedShards(fs, from)).map(({ shard }) => shard);
  const first = new Saving(fs, from, to);
  await first.read();
  // Those whose directory is missing become empty.
  const shards = [...new Set([...used, ...first.shardsWithQueues])].sort((a, b) => a - b);
  const others = shards.map(
    (shard) => new Saving(fs, shardDirectory(from, shard), shardDirectory(to, shard), { shard, first }),
  );
  for (const saving of others) await saving.read();
  // Last, with the names that were made for what the other shards have.
  for (const saving of [...others, first]) await saving.write();
  const savings = [first, ...others];
  return savings.flatMap(({ lines }, index) =>
    lines.map((line) => inShard([0, ...shards][index], savings, line)),
  );
}

/**
 * Makes a new data directory of what can still be read of one: of the snapshot, of all whole blocks of the journal before and behind
 * what is damaged, and of all sound batches of segments. What is there is only read. Where the snapshot does not tell (it is
 * missing, damaged, or older than the segments), logs get the names that the journal has for them, else that of the
 * queue that their messages were published to, else `recovered.log-<number>`.
 *
 * Names of what another shard than 0 has are in shard 0: it is read before the others are saved, and is saved after them.
 */
class Saving {
  readonly #fs: FileSystem;
  readonly #from: string;
  readonly #to: string;
  /** For the user. */
  readonly lines: string[] = [];
  /** Null for shard 0. */
  readonly #other: OtherShard | null;
  readonly #owners: LogOwners;
  readonly #vhosts = new Set<string>();
  readonly #names: Set<string>;
  #snapshot: Snapshot | null = null;
  #journal!: SalvagedJournal;
  /** Whether it is known that all metadata is here. */
  #isWhole = false;
  /** What logs without a name are declared as; in shard 0 also those of the other shards. */
  readonly #declared: { readonly metadata: string[]; readonly parts: string[] } = { metadata: [], parts: [] };
  /** In shard 0: above all ids that it has given. */
  #nextId = 1;
  /** In shard 0: the most changes of the metadata that another shard knows. */
  #changesKnown = 0;
  /** Of each log, the first offset that the journal has of it. */
  readonly #firstInJournal = new Map<number, number>();
  /** Logs of queues with messages in the journal, before or behind a gap. */
  readonly #journaled = new Set<number>();

  constructor(fs: FileSystem, from: string, to: string, other: OtherShard | null = null) {
    this.#fs = fs;
    this.#from = from;
    this.#to = to;
    this.#other = other;
    this.#owners = new LogOwners(other === null ? null : other.first.#owners);
    this.#names = other === null ? new Set() : other.first.#names;
  }

  async read(): Promise<void> {
    const snapshot = await this.#readSnapshot();
    this.#snapshot = snapshot;
    this.#journal = await salvageJournal(this.#fs, `${this.#from}/journal`, snapshot?.nextBlock ?? 0);
    this.#lookAt(snapshot, this.#journal);
    const { files: journalFiles, gaps } = this.#journal;
    const isBegun =
      snapshot === null
        ? journalFiles[0]?.blocks[0]?.number === 1
        : (await whyOlder(this.#fs, this.#from, snapshot)) === null;
    this.#isWhole = isBegun && gaps.length === 0;
    const known = snapshot?.broker as BrokerPart | undefined;
    if (known !== undefined) this.#usesId(known.nextQueueId - 1);
    const files = await logsWithFiles(this.#fs, this.#from);
    const { byLog, opened, followedChange } = this.#owners;
    const { first } = this.#other ?? { first: this };
    first.#changesKnown = Math.max(first.#changesKnown, followedChange);
    for (const ids of [
      idsIn(snapshot),
      files,
      byLog.keys(),
      opened,
      this.#journaled,
      this.#firstInJournal.keys(),
    ])
      for (const id of ids) this.#usesId(id);
  }

  /** Shards that have queues, by what shard 0 says. */
  get shardsWithQueues(): Iterable<number> {
    return this.#owners.shardOf.values();
  }

  async write(): Promise<void> {
    const fs = this.#fs;
    const snapshot = this.#snapshot;
    await fs.makeDirectory(`${this.#to}/journal`);
    await fs.makeDirectory(`${this.#to}/logs`);
    const { logs, streams, epoch } = await this.#saveLogs(snapshot, this.#journal);
    this.#nameJournaled(new Set(logs.map(({ id }) => id)));
    const numberOf = await writeSalvagedJournal(fs, `${this.#to}/journal`, this.#journal, epoch);
    const known = { ...NOTHING, ...(snapshot?.broker as Partial<BrokerPart> | undefined) };
    await writeSnapshot(fs, this.#to, {
      nextBlock: numberOf(snapshot?.nextBlock ?? 0),
      journal: FIRST_FILE,
      clean: false,
      saved: true,
      logs,
      streams,
      deleted: snapshot?.deleted ?? [],
      broker: { ...known, ...this.#brokerPart(known) },
    });
    await this.#repairCopies();
    await fs.syncDirectory(`${this.#to}/journal`);
    await fs.syncDirectory(`${this.#to}/logs`);
    await fs.syncDirectory(this.#to);
  }

  #brokerPart(known: BrokerPart): Partial<BrokerPart> {
    const nextQueueId = Math.max(known.nextQueueId, this.#nextId);
    if (this.#other !== null) return { nextQueueId: Math.max(nextQueueId, OWN_LOG_IDS) };
    const { metadata, parts } = this.#declared;
    return {
      nextQueueId,
      metadata: [...this.#vhostOperations(), ...known.metadata, ...metadata],
      parts: [...parts, ...(known.parts ?? [])],
      ...(this.#changesKnown > 0 && { changes: this.#changesBefore }),
    };
  }

  /** Of the snapshot: with those of the journal they are as many as any other shard knows. */
  get #changesBefore(): number {
    const { changes = 0 } = (this.#snapshot?.broker ?? {}) as Partial<BrokerPart>;
    return changes + Math.max(0, this.#changesKnown - this.#owners.changes);
  }

  /** Each shard gives ids on its own side of `OWN_LOG_IDS`. */
  #usesId(id: number): void {
    const first = this.#other?.first ?? null;
    if (first !== null && id < OWN_LOG_IDS) first.#usesId(id);
    else this.#nextId = Math.max(this.#nextId, id + 1);
  }

  /** Logs of another shard that have a name no more, and are in its journal alone. */
  #nameJournaled(saved: ReadonlySet<number>): void {
    if (this.#other === null) return;
    for (const id of new Set([...this.#owners.opened, ...this.#journaled])) {
      if (saved.has(id) || id >= OWN_LOG_IDS || this.#owners.byLog.has(id) || this.#isGone(id)) continue;
      this.#declareUnnamed(id);
    }
  }

  #declareUnnamed(id: number): void {
    const name = `recovered.log-${id}`;
    this.#declare(name, id);
    this.lines.push(`saved: logs/${id}: as queue '${name}', as shard 0 does not name it`);
  }

  /** A queue of this shard that shard 0 does not name. */
  #declare(name: string, id: number): void {
    const { shard, first } = this.#other ?? { shard: 0, first: this };
    this.#names.add(name);
    first.#declared.metadata.push(queueNamed(name, id, shard));
  }

  /** A log of which shard 0, all of which is there, does not know: its queue was deleted. */
  #isGone(id: number): boolean {
    if (this.#owners.deleted.has(id)) return true;
    if (this.#other === null || id >= OWN_LOG_IDS || this.#owners.byLog.has(id)) return false;
    const { first } = this.#other;
    return first.#isWhole && this.#owners.followedChange <= first.#owners.changes;
  }

  async #readSnapshot(): Promise<Snapshot | null> {
    try {
      const snapshot = await readSnapshot(this.#fs, this.#from);
      if (snapshot === null)
        this.lines.push(
          'the snapshot is missing: names, bindings, users and acknowledgements that only it had are lost',
        );
      return snapshot;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.lines.push(
        `lost: ${error.path}: ${error.what}; names, bindings, users and acknowledgements that only it had`,
      );
      return null;
    }
  }

  /** Finds the names of logs, and where the journal has what of them. */
  #lookAt(snapshot: Snapshot | null, { files, gaps }: SalvagedJournal): void {
    this.#owners.readSnapshot(snapshot?.broker);
    for (const { from, to } of gaps)
      this.lines.push(`lost: blocks ${from} to ${to - 1} of the journal cannot be read, or are not there`);
    const nothing = (): void => undefined;
    const note = (id: number, offset: number): void => {
      // Behind a gap there may be more in segments than the journal has.
      if (gaps.length === 0 && !this.#firstInJournal.has(id)) this.#firstInJournal.set(id, offset);
    };
    const visitor: EntryVisitor = {
      acknowledged: nothing,
      message: (image, at, count) => {
        for (let i = 0; i < count; i++) {
          const id = messageLogId(image, at, count, i);
          this.#journaled.add(id);
          note(id, messageOffset(image, at, i));
        }
      },
      batch: (image, id, at) => note(id, baseOffsetOf(image.buffer, at)),
      metadata: (bytes, blockNumber) => {
        const { changes } = this.#owners;
        this.#owners.apply(bytes);
        // The snapshot has counted it.
        if (blockNumber < (snapshot?.nextBlock ?? 0)) this.#owners.changes = changes;
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
    let epoch = journalEpoch;
    const queues = new Map((snapshot?.logs ?? []).map((log) => [log.id, log]));
    const partitions = new Map((snapshot?.streams ?? []).map((stream) => [stream.id, stream]));
    const isOlder = snapshot !== null && (await whyOlder(this.#fs, this.#from, snapshot)) !== null;
    if (isOlder)
      this.lines.push(
        'the snapshot is older than the segments: what it does not know of them is saved as well',
      );
    for (const log of queues.values()) {
      if (this.#other !== null && this.#isGone(log.id)) continue;
      logs.push(isOlder ? await this.#extendQueue(log) : await this.#copyKnown(log));
      if (this.#other === null || this.#owners.byLog.has(log.id) || log.id >= OWN_LOG_IDS) continue;
      this.#declareUnnamed(log.id);
    }
    for (const stream of partitions.values())
      streams.push(isOlder ? await this.#extendStream(stream) : await this.#copyKnown(stream));
    const isKnown = (id: number): boolean => queues.has(id) || partitions.has(id) || this.#isGone(id);
    const isOld = new Set(snapshot?.deleted ?? []);
    for (const id of await logsWithFiles(
      this.#fs,
      this.#from,
      (each) => !isKnown(each) && !isOld.has(each),
    )) {
      const isNamed = this.#owners.byLog.has(id);
      const newId = isNamed || this.#other === null || id < OWN_LOG_IDS ? id : this.#other.first.#nextId++;
      const log = await this.#saveUnknown(id, newId);
      if (log === null) continue;
      epoch = Math.max(epoch, log.epoch);
      const name = isNamed ? '' : this.#nameFor(id, log);
      if (log.isStream) {
        const [first] = log.segments;
        streams.push({
          id: newId,
          start: first.baseOffset,
          end: log.end,
          tailStart: log.end,
          segments: log.segments,
        });
        if (!isNamed) (this.#other?.first ?? this).#declared.parts.push(streamNamed(name, newId));
      } else {
        const { missing, segments, end } = log;
        logs.push({ id: newId, head: missing.head, settled: missing.state(), end, tailStart: end, segments });
        if (!isNamed) this.#declare(name, newId);
      }
      const what = isNamed ? this.#owners.byLog.get(id) : `${log.isStream ? 'stream' : 'queue'} '${name}'`;
      this.lines.push(`saved: logs/${id}: ${log.records} records, as ${what}`);
    }
    return { logs, streams, epoch };
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

  async #saveUnknown(id: number, newId = id): Promise<SalvagedLog | null> {
    const to = `${this.#to}/logs/${newId}`;
    await this.#fs.makeDirectory(to);
    const limit = this.#firstInJournal.get(id) ?? Number.POSITIVE_INFINITY;
    const log = await salvageLog(this.#fs, `${this.#from}/logs/${id}`, to, limit);
    if (log === null) {
      await this.#fs.remove(to);
      return null;
    }
    await this.#fs.syncDirectory(to);
    for (const { path, position, bytes, what } of log.corrupt)
      this.lines.push(
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
    const followed =
      this.#other === null
        ? null
        : { shard: this.#other.shard, owners: this.#other.first.#owners, changes: 0, isWhole: false };
    const inspection = await new Inspector(this.#fs, this.#to, followed).inspect();
    for (const { path, offset, what, affected } of inspection.findings)
      this.lines.push(`lost: ${affected}: ${path.replace(this.#to, this.#from)} at byte ${offset}: ${what}`);
    await repairAll(this.#fs, this.#to, inspection);
    // Segments that cannot be read are kept beside their copies where they are cut; here the old directory has them.
    for (const { corruption } of inspection.findings)
      if (corruption.file === 'segment') await this.#fs.remove(`${corruption.segment.path}.cut`);
  }
}

function textOf(operation: MetadataOperation): string {
  return Buffer.from(encodeOperation(operation)).toString('utf8');
}

function queueNamed(name: string, id: number, shard: number): string {
  const where = shard === 0 ? {} : { shard };
  return textOf({ op: 'queue.declare', vhost: '/', name, id, ...where, autoDelete: false, arguments: {} });
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
