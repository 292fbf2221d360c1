/** The directories of the simulated file system: the names as programs see them, and as the disk has them. */

import { systemError } from '../../../src/log/files/system-error.ts';
import type { Random, SimulatedContent } from './simulated-content.ts';

export interface FileNode {
  readonly kind: 'file';
  readonly content: SimulatedContent;
  isLinked: boolean;
  handles: number;
}

export interface Directory {
  readonly kind: 'directory';
  entries: Map<string, Node>;
  readonly durable: Map<string, Node>;
  /** What `entries` is ahead of `durable`, in order. */
  unsynced: NameChange[];
}

export type Node = FileNode | Directory;

interface Entry {
  readonly directory: Directory;
  readonly name: string;
  /** Null: no such name any more. */
  readonly node: Node | null;
}

/** One step of a directory, or of two at a rename between them: it reaches the disk wholly or not at all. */
interface NameChange {
  readonly kind: 'create' | 'rename' | 'remove';
  readonly sequence: number;
  readonly entries: readonly Entry[];
}

export function newDirectory(): Directory {
  return { kind: 'directory', entries: new Map(), durable: new Map(), unsynced: [] };
}

/** All changes of names that are not on disk, in all directories. */
export class PendingNames {
  #nextSequence = 0;
  readonly #dirty = new Set<Directory>();

  /** All changes made so far have a smaller number. */
  get mark(): number {
    return this.#nextSequence;
  }

  change(kind: NameChange['kind'], entries: readonly Entry[]): void {
    const change = { kind, sequence: this.#nextSequence++, entries };
    for (const { directory, name, node } of entries) {
      put(directory.entries, name, node);
      this.#dirty.add(directory);
      if (directory.unsynced.at(-1) !== change) directory.unsynced.push(change);
    }
  }

  /** Makes the directory's changes before the mark durable, and what the journal has before those that it shares. */
  sync(directory: Directory, mark: number): void {
    for (;;) {
      const change = directory.unsynced[0];
      if (change === undefined || change.sequence >= mark) break;
      const directories = directoriesOf(change);
      for (const other of directories) if (other !== directory) this.sync(other, change.sequence);
      for (const each of directories) each.unsynced.shift();
      makeDurable(change);
    }
    if (directory.unsynced.length === 0) this.#dirty.delete(directory);
  }

  /** Of every directory's unsynced changes the first so many are kept, or of the creations any, if so wished. */
  cutPower(random: Random, anySubsetOfCreations: boolean): void {
    const changes = new Set<NameChange>();
    const keptLeft = new Map<Directory, number>();
    for (const directory of this.#dirty) {
      for (const change of directory.unsynced) changes.add(change);
      keptLeft.set(directory, chooseKept(directory.unsynced.length, random));
    }
    for (const change of [...changes].sort((a, b) => a.sequence - b.sequence)) {
      const directories = directoriesOf(change);
      const isPrefixWhole = directories.every((directory) => (keptLeft.get(directory) ?? 0) > 0);
      for (const directory of directories) {
        keptLeft.set(directory, isPrefixWhole ? (keptLeft.get(directory) ?? 0) - 1 : 0);
      }
      const isAnywayKept = anySubsetOfCreations && change.kind === 'create' ? random() < 0.5 : isPrefixWhole;
      if (isAnywayKept) makeDurable(change);
    }
    for (const directory of this.#dirty) {
      directory.entries = new Map(directory.durable);
      directory.unsynced = [];
    }
    this.#dirty.clear();
  }
}

/** Throws what rename(2) fails with. */
export function checkRename(node: Node, replaced: Node | undefined, into: Directory, path: string): void {
  if (node.kind === 'directory' && contains(node, into)) throw systemError('EINVAL', 'rename', path);
  if (replaced === undefined) return;
  if (node.kind === 'directory' && replaced.kind === 'file') throw systemError('ENOTDIR', 'rename', path);
  if (replaced.kind !== 'directory') return;
  if (node.kind === 'file') throw systemError('EISDIR', 'rename', path);
  if (replaced.entries.size > 0) throw systemError('ENOTEMPTY', 'rename', path);
}

/** The names on the way from the root. */
export function parsePath(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

function chooseKept(count: number, random: Random): number {
  const share = random();
  if (share < 0.35) return count;
  return share < 0.55 ? 0 : Math.floor(random() * (count + 1));
}

function directoriesOf({ entries }: NameChange): readonly Directory[] {
  return [...new Set(entries.map(({ directory }) => directory))];
}

function makeDurable({ entries }: NameChange): void {
  for (const { directory, name, node } of entries) put(directory.durable, name, node);
}

function put(names: Map<string, Node>, name: string, node: Node | null): void {
  if (node === null) names.delete(name);
  else names.set(name, node);
}

function contains(outer: Directory, inner: Directory): boolean {
  if (outer === inner) return true;
  for (const child of outer.entries.values()) {
    if (child.kind === 'directory' && contains(child, inner)) return true;
  }
  return false;
}
