import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { type EntryVisitor, visitBlock } from '../../../src/log/journal/entry-visitor.ts';
import { type JournalEnd, JournalFilesSource } from '../../../src/log/journal/journal-files-source.ts';
import type { FilePosition } from '../../../src/log/journal/position.ts';

/** Reads the files as a start does, and shows every entry. */
export async function readJournal(
  fs: FileSystem,
  directory: string,
  position: FilePosition,
  requiredBlock: number,
  visitor: Partial<EntryVisitor>,
): Promise<JournalEnd> {
  const nothing = (): void => undefined;
  const all = { message: nothing, acknowledged: nothing, metadata: nothing, batch: nothing, ...visitor };
  const source = new JournalFilesSource(fs, directory, position, requiredBlock);
  for await (const { image, blocks } of source.runs()) {
    for (const block of blocks) visitBlock(image, block, all);
  }
  return source.end as JournalEnd;
}
