import { OWN_LOG_IDS } from '../../broker/broker-state.ts';
import { CorruptionError } from '../../log/corruption.ts';
import type { FileSystem } from '../../log/files/filesystem.ts';
import type { ShardDirectory } from '../../log/files/shard-directories.ts';
import { visitBlock } from '../../log/journal/entry-visitor.ts';
import { firstBlockOf, messageLogId } from '../../log/journal/format.ts';
import { journalFileName } from '../../log/journal/journal-files.ts';
import { readImage } from '../../log/journal/journal-files-source.ts';
import { FIRST_FILE, inFiles } from '../../log/journal/position.ts';
import type { Block, JournalImage } from '../../log/journal/run.ts';
import { scanBlocks, type TornEnd } from '../../log/journal/scan.ts';
import { whyOlder } from '../../log/newest-snapshot.ts';
import { type SegmentInfo, segmentFileName } from '../../log/segments/segment.ts';
import { type CorruptRange, checkSegmentFile } from '../../log/segments/segment-check.ts';
import {
  idsIn,
  isNothingNamed,
  logsWithFiles,
  missedSnapshot,
  unknownLogs,
} from '../../log/segments/stray-logs.ts';
import { readSnapshot, type Snapshot } from '../../log/snapshot.ts';
import { type BehindDamage, readBehindDamage } from './behind-damage.ts';
import { LogOwners } from './log-owners.ts';

/** A corrupt place in a file of the data directory. */
export interface Finding {
  readonly path: string;
  readonly offset: number;
  readonly what: string;
  /** What cannot be read because of it. */
  readonly affected: string;
  /** What cutting it off needs to know; a snapshot cannot be cut. */
  readonly corruption:
    | { readonly file: 'snapshot' | 'journal' }
    /** Shard 0 does not know what another shard knows of it. */
    | { readonly file: 'metadata' }
    | { readonly file: 'segment'; readonly logId: number; readonly segment: CorruptRange };
}

export interface Inspection {
  readonly findings: readonly Finding[];
  /** The end of the last write, torn by a power cut: the next start cuts it off, nothing in it was confirmed. */
  readonly tornEnd: TornEnd | null;
  /** The queue, stream partition or delay bucket of each log, by the log's number, which is its directory's name. */
  readonly owners: ReadonlyMap<number, string>;
  /** Logs that have segments, but are named by neither the snapshot nor the journal: the next start sets them aside. */
  readonly strays: readonly number[];
  /** In another shard than 0: logs that nothing names, as shard 0 is damaged. */
  readonly nameless: readonly number[];
  /** The ids of all logs that are named, have messages in the journal, or files. */
  readonly logIds: readonly number[];
  /** In shard 0: how many changes of the metadata there were. */
  readonly changes: number;
  /** In another shard than 0: how many of those it knows. */
  readonly followedChange: number;
  /** Null where the journal is whole, or nothing is behind its damage. */
  readonly behindDamage: BehindDamage | null;
  /** What was read and found whole. */
  readonly snapshot: Snapshot | null;
  readonly journalFiles: number;
  readonly journalBlocks: number;
  readonly segments: number;
  readonly bytes: number;
}

/** What was found in the directory of one shard. */
export interface ShardInspection extends ShardDirectory {
  readonly inspection: Inspection;
}

/** Of another shard than 0: what shard 0 says. */
export interface FollowedShard {
  readonly shard: number;
  readonly owners: LogOwners;
  /** How many changes of the metadata there were. */
  readonly changes: number;
  /** Whether its snapshot and journal are whole: what it does not name then was deleted. */
  readonly isWhole: boolean;
}

/**
 * Reads every file that the next start would read, and every byte of them, without changing any. It goes on after
 * corruption, so that all of it is found; behind it, in the journal or in a segment, only what stands on its own is
 * looked at.
 */
export class Inspector {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #findings: Finding[] = [];
  readonly owners: LogOwners;
  readonly #followed: FollowedShard | null;
  readonly #named = new Set<number>();
  /** Those with anything in the journal or the snapshot of this directory. */
  readonly #here = new Set<number>();
  #nextBlock = 1;
  #tornEnd: Inspection['tornEnd'] = null;
  #journalFiles = 0;
  #journalBlocks = 0;
  #segments = 0;
  #bytes = 0;

  constructor(fs: FileSystem, directory: string, followed: FollowedShard | null = null) {
    this.#fs = fs;
    this.#directory = directory;
    this.#followed = followed;
    this.owners = new LogOwners(followed?.owners ?? null);
  }

  async inspect(): Promise<Inspection> {
    let snapshot: Snapshot | null = null;
    try {
      snapshot = await readSnapshot(this.#fs, this.#directory);
      this.owners.readSnapshot(snapshot?.broker);
    } catch (error) {
      this.#note(error, 'snapshot', TOLD_BY_SNAPSHOT);
    }
    const missed =
      snapshot === null && this.#findings.length === 0
        ? await missedSnapshot(this.#fs, this.#directory)
        : null;
    if (missed !== null) this.#missesSnapshot(missed);
    const older = snapshot === null ? null : await whyOlder(this.#fs, this.#directory, snapshot);
    if (older !== null)
      this.#note(new CorruptionError(`${this.#directory}/snapshot`, 0, older), 'snapshot', TOLD_BY_SNAPSHOT);
    await this.#inspectJournal(snapshot, this.#findings.length === 0);
    for (const { id, segments } of snapshot?.logs ?? []) {
      for (const info of segments) await this.#inspectSegment(id, info, false);
    }
    for (const { id, segments } of snapshot?.streams ?? []) {
      for (const info of segments) await this.#inspectSegment(id, info, true);
    }
    const strays = await this.#findStrays(snapshot);
    const isJournalDamaged = this.#findings.some(({ corruption }) => corruption.file === 'journal');
    const behindDamage = isJournalDamaged
      ? await readBehindDamage(this.#fs, this.#directory, snapshot?.nextBlock ?? 0)
      : null;
    return {
      behindDamage,
      findings: this.#findings,
      strays,
      tornEnd: this.#tornEnd,
      owners: this.owners.of(this.#followed?.shard ?? 0),
      nameless: this.#nameless(snapshot),
      logIds: [...this.#here, ...strays],
      changes: this.owners.changes,
      followedChange: this.owners.followedChange,
      snapshot,
      journalFiles: this.#journalFiles,
      journalBlocks: this.#journalBlocks,
      segments: this.#segments,
      bytes: this.#bytes,
    };
  }

  /** A log of which shard 0, all of which is there, does not know: its queue was deleted. */
  #isGone(logId: number): boolean {
    const followed = this.#followed;
    if (followed === null || !followed.isWhole || this.owners.followedChange > followed.changes) return false;
    return logId < OWN_LOG_IDS && !this.owners.byLog.has(logId);
  }

  /** It was moved: this shard would delete what it has of it. */
  #hasLeft(logId: number): boolean {
    return this.#followed !== null && this.owners.isElsewhere(logId, this.#followed.shard);
  }

  #nameless(snapshot: Snapshot | null): number[] {
    if (this.#followed === null) return [];
    const { byLog, deleted, opened } = this.owners;
    const ids = new Set([...(snapshot?.logs ?? []).map(({ id }) => id), ...opened]);
    return [...ids].filter((id) => !byLog.has(id) && !deleted.has(id) && !this.#isGone(id));
  }

  #missesSnapshot(why: string): void {
    const error = new CorruptionError(`${this.#directory}/snapshot`, 0, `the file is missing: ${why}`);
    this.#note(error, 'snapshot', TOLD_BY_SNAPSHOT);
  }

  async #findStrays(snapshot: Snapshot | null): Promise<number[]> {
    const { byLog, deleted, opened, copies } = this.owners;
    for (const ids of [idsIn(snapshot), this.#named, opened]) for (const id of ids) this.#here.add(id);
    for (const ids of [idsIn(snapshot), byLog.keys(), deleted, opened, copies])
      for (const id of ids) this.#named.add(id);
    const strays = await logsWithFiles(this.#fs, this.#directory, (id) => !this.#named.has(id));
    const isKnown = this.#findings.some(({ corruption }) => corruption.file === 'snapshot');
    if (strays.length > 0 && !isKnown && isNothingNamed(snapshot, this.#named, this.#nextBlock)) {
      this.#missesSnapshot(`the one of these segments is, as ${unknownLogs(strays)}`);
    }
    return strays;
  }

  /** Which file is the first is known by the snapshot alone; without one it is file 1, if none was ever made. */
  async #inspectJournal(snapshot: Snapshot | null, isFirstKnown: boolean): Promise<void> {
    const directory = `${this.#directory}/journal`;
    const { firstFile, newFile } = inFiles(snapshot?.journal ?? FIRST_FILE);
    const requiredBlock = snapshot?.nextBlock ?? 0;
    const names = (await this.#fs.list(directory)).filter((name) => /^\d{10}\.journal$/.test(name));
    const wanted = names.filter((name) => Number.parseInt(name, 10) >= firstFile);
    if (isFirstKnown && wanted.length > 0 && wanted[0] !== journalFileName(firstFile)) {
      const missing = new CorruptionError(
        `${directory}/${journalFileName(firstFile)}`,
        0,
        'the file is missing',
      );
      this.#note(missing, 'journal', affectedFrom(wanted.length));
    }
    const lastFile = wanted.length === 0 ? firstFile - 1 : Number.parseInt(wanted.at(-1)!, 10);
    if (lastFile < newFile - 1) {
      const path = `${directory}/${journalFileName(lastFile + 1)}`;
      this.#note(
        new CorruptionError(path, 0, 'the file is missing'),
        'journal',
        'what is in this file, and behind it',
      );
    }
    let nextBlock = -1;
    for (const [index, name] of wanted.entries()) {
      const path = `${directory}/${name}`;
      const isLast = index === wanted.length - 1;
      // A start ends there, whatever is in the files behind the gap.
      const expected = index === 0 ? name : journalFileName(Number.parseInt(wanted[index - 1], 10) + 1);
      if (name !== expected) {
        const missing = new CorruptionError(`${directory}/${expected}`, 0, 'the file is missing');
        this.#note(missing, 'journal', affectedFrom(wanted.length - index));
      }
      try {
        const image = await readImage(this.#fs, path);
        this.#journalFiles++;
        this.#bytes += image.buffer.length;
        const mayBeNew = isLast && Number.parseInt(name, 10) >= newFile;
        const { blocks, end, tornEnd } = scanBlocks(image, isLast, nextBlock, requiredBlock, mayBeNew);
        this.#journalBlocks += blocks.length;
        for (const block of blocks) if (block.number >= requiredBlock) this.#readBlock(image, block);
        if (nextBlock < 0 && end > 0) nextBlock = firstBlockOf(image);
        nextBlock += blocks.length;
        this.#tornEnd = tornEnd;
        this.#nextBlock = Math.max(this.#nextBlock, nextBlock, requiredBlock);
        if (isLast && nextBlock >= 0 && nextBlock < requiredBlock) {
          throw new CorruptionError(path, end, `blocks ${nextBlock} to ${requiredBlock - 1} are missing`);
        }
      } catch (error) {
        this.#note(error, 'journal', affectedFrom(wanted.length - index - 1));
        nextBlock = -1;
      }
    }
  }

  /** What the snapshot does not know yet: logs that are deleted by now, and new ones. */
  #readBlock(image: JournalImage, block: Block): void {
    const _nothing = (): void => undefined;
    visitBlock(image, block, {
      message: (_image, entryAt, logCount) => {
        for (let i = 0; i < logCount; i++) this.#named.add(messageLogId(image, entryAt, logCount, i));
      },
      acknowledged: (id) => this.#named.add(id),
      batch: (_image, id) => this.#named.add(id),
      metadata: (bytes) => this.owners.apply(bytes),
    });
  }

  async #inspectSegment(logId: number, info: SegmentInfo, isStream: boolean): Promise<void> {
    if (this.owners.deleted.has(logId) || this.#isGone(logId) || this.#hasLeft(logId)) return;
    const path = `${this.#directory}/logs/${logId}/${segmentFileName(info.baseOffset)}`;
    this.#segments++;
    this.#bytes += info.bytes;
    for (const range of await checkSegmentFile(this.#fs, path, info, isStream)) {
      const to = (range.toOffset < 0 ? info.endOffset : range.toOffset) - 1;
      this.#findings.push({
        path: range.path,
        offset: range.position,
        what: range.what,
        affected: `${this.owners.byLog.get(logId) ?? `messages of log ${logId}`} between offsets ${range.fromOffset} and ${to}`,
        corruption: { file: 'segment', logId, segment: range },
      });
    }
  }

  #note(error: unknown, file: 'snapshot' | 'journal', affected: string): void {
    if (!(error instanceof CorruptionError)) throw error;
    const { path, offset, what } = error;
    this.#findings.push({ path, offset, what, affected, corruption: { file } });
  }
}

const TOLD_BY_SNAPSHOT =
  'which queues there are, what was acknowledged in them, and which segments belong to them';

function affectedFrom(filesBehind: number): string {
  const files =
    filesBehind === 0 ? '' : `, and in the ${filesBehind} ${filesBehind === 1 ? 'file' : 'files'} after it`;
  return `what is in this file from there on${files}`;
}
