import type { Scheduler } from '../../base/scheduler.ts';
import type { FileSystem } from '../files/filesystem.ts';
import { type Durability, JournalFiles } from './journal-files.ts';
import { type JournalEnd, JournalFilesSource } from './journal-files-source.ts';
import type { JournalHost, LedJournal, ReadJournal } from './journal-host.ts';
import { FIRST_FILE, inFiles, type Position } from './position.ts';
import { tornEndText } from './scan.ts';

export interface LocalJournalOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly fileBytes: number;
  readonly durability: Durability;
  readonly scheduler: Scheduler;
  onFailure(error: Error): void;
}

/** The journal in files of the data directory. */
export class LocalJournal implements JournalHost {
  readonly #options: LocalJournalOptions;

  constructor(options: LocalJournalOptions) {
    this.#options = options;
  }

  open(from: Position | null, requiredBlock: number): ReadJournal {
    const { fileSystem, directory } = this.#options;
    const position = inFiles(from ?? FIRST_FILE);
    const source = new JournalFilesSource(fileSystem, directory, position, requiredBlock);
    return { followed: null, runs: () => source.runs(), lead: () => this.#lead(source.end as JournalEnd) };
  }

  #lead({ files, nextBlock, nextFileNumber, epoch, cut }: JournalEnd): LedJournal {
    const { fileSystem, directory, fileBytes, durability, scheduler, onFailure } = this.#options;
    const isNew = files.length === 0;
    const device = new JournalFiles(
      fileSystem,
      directory,
      { fileBytes, durability, scheduler, lastBlock: nextBlock - 1 },
      files,
      nextFileNumber,
      onFailure,
    );
    return { device, nextBlock, epoch: epoch + 1, isNew, warnings: cut === null ? [] : [tornEndText(cut)] };
  }
}
