import type { FileSystem } from '../../log/files/filesystem.ts';
import { type EntryVisitor, visitBlock } from '../../log/journal/entry-visitor.ts';
import { messageLogId } from '../../log/journal/format.ts';
import { type JournalGap, salvageJournal } from '../../log/journal/journal-salvage.ts';
import { recordCountOf } from '../../records/batch-view.ts';

/** What of a damaged journal can be read behind the first damage: a start cannot use it, and `--save` keeps it. */
export interface BehindDamage {
  /** Blocks that cannot be read. */
  readonly gaps: readonly JournalGap[];
  /** By log: messages, or records of a stream's partition, in whole blocks behind the first gap. */
  readonly records: ReadonlyMap<number, number>;
}

/** Null where no block is missing between others. The snapshot covers the blocks below `requiredBlock`. */
export async function readBehindDamage(
  fs: FileSystem,
  directory: string,
  requiredBlock: number,
): Promise<BehindDamage | null> {
  const { files, gaps } = await salvageJournal(fs, `${directory}/journal`, requiredBlock);
  const [first] = gaps;
  if (first === undefined) return null;
  const records = new Map<number, number>();
  const add = (id: number, count: number): void => {
    records.set(id, (records.get(id) ?? 0) + count);
  };
  const nothing = (): void => undefined;
  const visitor: EntryVisitor = {
    acknowledged: nothing,
    metadata: nothing,
    message: (image, at, count) => {
      for (let i = 0; i < count; i++) add(messageLogId(image, at, count, i), 1);
    },
    batch: (image, id, at) => add(id, Math.max(0, recordCountOf(image.buffer, at))),
  };
  for (const { image, blocks } of files) {
    for (const block of blocks) if (block.number >= first.to) visitBlock(image, block, visitor);
  }
  return { gaps, records };
}

export function renderBehindDamage(
  { gaps, records }: BehindDamage,
  owners: ReadonlyMap<number, string>,
): string[] {
  const missing = gaps
    .map(({ from, to }) => (to - from === 1 ? `${from}` : `${from} to ${to - 1}`))
    .join(', ');
  let total = 0;
  for (const count of records.values()) total += count;
  const lines = [
    `blocks of the journal that cannot be read: ${missing}. Behind them are ${total} records of ${records.size} queues and ` +
      'partitions: --save keeps them, --cut does not',
  ];
  for (const [id, count] of records)
    lines.push(`  ${count} ${(owners.get(id) ?? `messages of log ${id}`).replace(/,$/, '')}`);
  return lines;
}
