import { crc32c } from '../base/crc32c.ts';
import { jsonPieces } from '../base/json-pieces.ts';
import { CorruptionError, readFailureAtRest } from './corruption.ts';
import type { FileSystem } from './files/filesystem.ts';
import { filePosition, type Position } from './journal/position.ts';
import type { LogState } from './queues/queue-log.ts';
import type { SegmentInfo } from './segments/segment.ts';
import type { StreamLogState } from './streams/stream-log.ts';

export interface LogSnapshot extends LogState {
  readonly segments: readonly SegmentInfo[];
}

export interface StreamSnapshot extends StreamLogState {
  readonly segments: readonly SegmentInfo[];
}

/** Everything that cannot be found in the journal from `journal` on. */
export interface Snapshot {
  /** Journal blocks below this number are part of it. */
  readonly nextBlock: number;
  readonly journal: Position;
  /** Whether the broker stopped in an orderly way with this as its last word. */
  readonly clean: boolean;
  readonly logs: readonly LogSnapshot[];
  /** Logs that were deleted, while their files may be there still. Undefined in what older versions wrote. */
  readonly deleted?: readonly number[];
  /** Undefined in what was written before there were streams. */
  readonly streams?: readonly StreamSnapshot[];
  /** Written by `sluice doctor --save`: the journal may have operations on things that were lost. */
  readonly saved?: boolean;
  /** The broker's own. */
  readonly broker: unknown;
}

/**
 *     0  u64  magic "SLUICESN"
 *     8  u32  format version
 *    12  u32  CRC32C of the payload
 *    16  u64  length of the payload in bytes
 *    24  ...  the payload, JSON in UTF-8
 */
const HEADER_BYTES = 24;
const MAGIC = Buffer.from('SLUICESN', 'latin1');
const VERSION = 2;
/** In which the journal could only be local files. */
const VERSION_OF_FILES = 1;
const NAME = 'snapshot';

/** Characters that are encoded before others get the processor. */
const PIECE_LENGTH = 64 * 1024;

/** `pause`: lets others have the processor; what the snapshot holds must not change meanwhile. */
export async function writeSnapshot(
  fs: FileSystem,
  directory: string,
  snapshot: Snapshot,
  pause: () => Promise<void> | undefined = () => undefined,
): Promise<void> {
  const payload: Buffer[] = [];
  let checksum = 0;
  let length = 0;
  for (const text of jsonPieces(snapshot, PIECE_LENGTH)) {
    const piece = Buffer.from(text, 'utf8');
    payload.push(piece);
    checksum = crc32c(piece, checksum);
    length += piece.length;
    await pause();
  }
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(checksum, 12);
  header.writeBigUInt64LE(BigInt(length), 16);
  const temporary = `${directory}/${NAME}.new`;
  await fs.remove(temporary);
  const file = await fs.open(temporary, 'create');
  try {
    await file.write([header, ...payload], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, `${directory}/${NAME}`);
  await fs.syncDirectory(directory);
}

/** Null if there is none yet. */
export async function readSnapshot(fs: FileSystem, directory: string): Promise<Snapshot | null> {
  const names = await fs.list(directory);
  if (!names.includes(NAME)) return null;
  const path = `${directory}/${NAME}`;
  const bytes = await readWhole(fs, path);
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) {
    throw new CorruptionError(path, 0, 'this is not a snapshot');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== VERSION && version !== VERSION_OF_FILES) {
    throw new CorruptionError(path, 8, `format version ${version} instead of ${VERSION}`);
  }
  const payload = bytes.subarray(HEADER_BYTES);
  if (bytes.readBigUInt64LE(16) !== BigInt(payload.length)) {
    throw new CorruptionError(path, 16, 'the length of the file is not what its header says');
  }
  if (crc32c(payload) !== bytes.readUInt32LE(12)) {
    throw new CorruptionError(path, HEADER_BYTES, 'the checksum is wrong');
  }
  const snapshot = JSON.parse(payload.toString('utf8')) as Snapshot | SnapshotOfFiles;
  return version === VERSION ? (snapshot as Snapshot) : withPosition(snapshot as SnapshotOfFiles);
}

interface SnapshotOfFiles extends Omit<Snapshot, 'journal'> {
  readonly firstFile: number;
  readonly newFile: number;
}

function withPosition({ firstFile, newFile, ...rest }: SnapshotOfFiles): Snapshot {
  return { ...rest, journal: filePosition(firstFile, newFile) };
}

async function readWhole(fs: FileSystem, path: string): Promise<Buffer> {
  try {
    const file = await fs.open(path, 'read');
    try {
      const bytes = Buffer.allocUnsafe(await file.size());
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw readFailureAtRest(error, path, 0);
  }
}
