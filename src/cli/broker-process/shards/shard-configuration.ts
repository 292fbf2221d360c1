import { join } from 'node:path';
import type { Configuration } from '../../config/settings.ts';

/** Below the data directory. */
const DIRECTORY = 'shards';
const MIB = 1024 * 1024;
const JOURNAL_FILE_BYTES_MIN = MIB;

/** Where the directories of other shards than 0 are. */
export function shardsDirectory(dataDirectory: string): string {
  return join(dataDirectory, DIRECTORY);
}

/**
 * The settings of one shard of several: what is for messages in memory, and for the journal, is divided among them. A journal
 * has two files at least.
 */
export function shardConfiguration(
  configuration: Configuration,
  number: number,
  count: number,
): Configuration {
  const { dataDirectory, memoryLimitBytes, journalLimitBytes, journalFileBytes } = configuration;
  const fileBytes = Math.max(
    Math.min(JOURNAL_FILE_BYTES_MIN, journalFileBytes),
    Math.floor(journalFileBytes / count),
  );
  return {
    ...configuration,
    dataDirectory: number === 0 ? dataDirectory : join(shardsDirectory(dataDirectory), String(number)),
    memoryLimitBytes: Math.floor(memoryLimitBytes / count),
    journalFileBytes: fileBytes,
    journalLimitBytes: Math.max(2 * fileBytes, Math.floor(journalLimitBytes / count)),
  };
}
