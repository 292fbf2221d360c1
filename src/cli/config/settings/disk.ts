import { durability, duration, size } from '../setting-types.ts';
import { MIB, setting } from './definition.ts';

/** When messages are on the disk, and how much of it they take. */
export const DISK = {
  durability: setting({
    key: 'durability',
    type: durability,
    default: { mode: 'sync' },
    description:
      'When a persistent message is confirmed. sync: it is on the disk. interval:<time>: it is written, and the disk is ' +
      'synced at this interval. os: it is written, and the operating system decides when it reaches the disk.',
  }),
  journalFileBytes: setting({
    key: 'journal-file-size',
    type: size(MIB, 1024 * MIB),
    default: 32 * MIB,
    description: 'Size of one journal file. The journal then continues in a new file.',
  }),
  journalLimitBytes: setting({
    key: 'journal-limit',
    type: size(2 * MIB),
    default: 128 * MIB,
    description:
      'Size of the whole journal. Beyond it the oldest file is retired. A restart reads the journal, so this bounds its ' +
      'time. At least twice journal-file-size.',
  }),
  diskFreeLimitBytes: setting({
    key: 'disk-free-limit',
    type: size(0),
    default: 64 * MIB,
    description:
      'Free space on the volume of the data directory below which publishers are blocked, and nothing new is made. ' +
      'Half of it is a reserve for what frees space. At least twice journal-file-size is good.',
  }),
  retentionCheckSeconds: setting({
    key: 'retention-check-interval',
    type: duration('s', { min: 1, max: 86_400 }),
    default: 300,
    description: 'Interval at which streams are checked for records older than their retention.ms.',
  }),
  compactionMemoryBytes: setting({
    key: 'compaction-memory',
    type: size(MIB, 8 * 1024 * MIB),
    default: 64 * MIB,
    description:
      'Memory for the keys of a stream during its compaction, about 27 bytes per key. More keys take several passes.',
  }),
  compactionRateBytes: setting({
    key: 'compaction-rate',
    type: size(MIB),
    default: 128 * MIB,
    description: 'Bytes per second that compaction reads.',
  }),
};
