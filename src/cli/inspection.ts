import { DamageError } from '../log/damage.ts';
import type { File, FileSystem } from '../log/filesystem.ts';
import { readImage, scanBlocks } from '../log/journal/recovery.ts';
import { cleanedFileName, type SegmentInfo, segmentFileName } from '../log/segments/segment.ts';
import { readBatches } from '../log/segments/segment-reader.ts';
import { readSnapshot, type Snapshot } from '../log/snapshot.ts';

/** A damaged place in a file of the data directory. */
export interface Finding {
  readonly path: string;
  readonly offset: number;
  readonly what: string;
  /** What cannot be read because of it. */
  readonly affected: string;
}

export interface Inspection {
  readonly findings: readonly Finding[];
  /** The end of the last write, torn by a power cut: the next start cuts it off, nothing in it was confirmed. */
  readonly tornEnd: { readonly path: string; readonly offset: number; readonly bytes: number } | null;
  /** What was read and found whole. */
  readonly snapshot: Snapshot | null;
  readonly journalFiles: number;
  readonly journalBlocks: number;
  readonly segments: number;
  readonly bytes: number;
}

/** Segments are read in pieces of this size. */
const READ_BYTES = 4 * 2 ** 20;

/**
 * Reads every file that the next start would read, and every byte of them, without changing any. It goes on after
 * damage, so that all of it is found; behind damage in the journal or in a segment only what stands on its own is
 * looked at.
 */
export class Inspector {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #findings: Finding[] = [];
  #tornEnd: Inspection['tornEnd'] = null;
  #journalFiles = 0;
  #journalBlocks = 0;
  #segments = 0;
  #bytes = 0;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#directory = directory;
  }

  async inspect(): Promise<Inspection> {
    let snapshot: Snapshot | null = null;
    try {
      snapshot = await readSnapshot(this.#fs, this.#directory);
    } catch (error) {
      this.#note(
        error,
        'which queues there are, what was acknowledged in them, and which segments belong to them',
      );
    }
    await this.#inspectJournal(snapshot);
    for (const { id, segments } of snapshot?.logs ?? []) {
      for (const info of segments) await this.#inspectSegment(id, info);
    }
    return {
      findings: this.#findings,
      tornEnd: this.#tornEnd,
      snapshot,
      journalFiles: this.#journalFiles,
      journalBlocks: this.#journalBlocks,
      segments: this.#segments,
      bytes: this.#bytes,
    };
  }

  async #inspectJournal(snapshot: Snapshot | null): Promise<void> {
    const directory = `${this.#directory}/journal`;
    const firstFile = snapshot?.firstFile ?? 0;
    const names = (await this.#fs.list(directory)).filter((name) => /^\d{10}\.journal$/.test(name));
    const wanted = names.filter((name) => Number.parseInt(name, 10) >= firstFile);
    let expectedBlock = -1;
    for (const name of wanted) {
      const path = `${directory}/${name}`;
      const isLast = name === wanted.at(-1);
      const image = await readImage(this.#fs, path);
      this.#journalFiles++;
      this.#bytes += image.buffer.length;
      try {
        const { blocks, end } = scanBlocks(image, isLast, expectedBlock, snapshot?.nextBlock ?? 0);
        this.#journalBlocks += blocks.length;
        const last = blocks.at(-1);
        if (last !== undefined) expectedBlock = last.number + 1;
        if (end < image.buffer.length) {
          this.#tornEnd = { path, offset: end, bytes: image.buffer.length - end };
        }
      } catch (error) {
        const behind = wanted.length - wanted.indexOf(name) - 1;
        const files =
          behind === 0 ? '' : `, and in the ${behind} ${behind === 1 ? 'file' : 'files'} after it`;
        this.#note(error, `what is in this file from there on${files}`);
        expectedBlock = -1;
      }
    }
  }

  async #inspectSegment(logId: number, info: SegmentInfo): Promise<void> {
    const { baseOffset, endOffset, bytes } = info;
    const affected = `messages of log ${logId} between offsets ${baseOffset} and ${endOffset - 1}`;
    this.#segments++;
    try {
      const file = await this.#openSegment(`${this.#directory}/logs/${logId}`, info);
      try {
        for (let position = 0; position < bytes; ) {
          const batches = await readBatches(file, file.path, position, bytes, READ_BYTES);
          position += batches.length;
          this.#bytes += batches.length;
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      this.#note(error, affected);
    }
  }

  /** The file that the snapshot means: after a crash a rewritten segment may still have its temporary name. */
  async #openSegment(directory: string, info: SegmentInfo): Promise<File> {
    const names = await this.#fs.list(directory);
    if (names.includes(cleanedFileName(info))) {
      const file = await this.#fs.open(`${directory}/${cleanedFileName(info)}`, 'read');
      if ((await file.size()) === info.bytes) return file;
      await file.close();
    }
    const name = segmentFileName(info.baseOffset);
    if (!names.includes(name)) throw new DamageError(`${directory}/${name}`, 0, 'the file is missing');
    return this.#fs.open(`${directory}/${name}`, 'read');
  }

  #note(error: unknown, affected: string): void {
    if (!(error instanceof DamageError)) throw error;
    this.#findings.push({ path: error.path, offset: error.offset, what: error.what, affected });
  }
}
