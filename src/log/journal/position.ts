/**
 * Where recovery begins to read the journal, and how far it has to come. Kept in the snapshot; only the device that gave it
 * knows what it means.
 */
export interface Position {
  /** The kind of the device. */
  readonly device: string;
}

/** A position in local files. */
export interface FilePosition extends Position {
  readonly device: 'files';
  /** Of the files that are needed. */
  readonly firstFile: number;
  /** Files below this number were complete with their headers. */
  readonly newFile: number;
}

export function filePosition(firstFile: number, newFile: number): FilePosition {
  return { device: 'files', firstFile, newFile };
}

/** Of a journal that nothing was ever written to. */
export const FIRST_FILE = filePosition(1, 1);

/** The position as one in local files. Throws if another device has given it. */
export function inFiles(position: Position): FilePosition {
  if (position.device === 'files') return position as FilePosition;
  throw new Error(`the journal of this data directory is not in local files, but in a '${position.device}'`);
}

/** The oldest part of what a device holds, which may go. */
export interface OldestPart {
  /** Messages in it are in chunks of this generation or older. */
  readonly generation: number;
  /** Where recovery begins when it is gone. */
  readonly next: Position;
}
