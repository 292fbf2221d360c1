import type { FileSystem } from '../files/filesystem.ts';
import type { FileHandles } from './file-handles.ts';

/** A log in which something is written, but perhaps not on disk yet. */
export interface SyncedLog {
  sync(): Promise<void>;
}

/** What the logs of a data directory share: those that survive a restart, or those that do not. */
export interface SegmentStore {
  readonly fs: FileSystem;
  /** Whether its logs survive a restart: otherwise nothing of them is ever synced. */
  readonly isDurable: boolean;
  readonly root: string;
  readonly segmentBytes: number;
  readonly handles: FileHandles;
  /** Appended to segments since the start, whether or not they are there still. */
  appendedBytes: number;
  /** Logs with something to sync; `sync` removes them. */
  readonly dirtyLogs: Set<SyncedLog>;
  /** Moves a file that neither the snapshot nor the journal knows to `set-aside/`, and warns. */
  setAside(path: string): Promise<void>;
  /** Directories of logs were made or removed. */
  rootChanged(): void;
  /** Makes such changes durable; nothing to do if there were none. */
  syncRoot(): Promise<void>;
}
