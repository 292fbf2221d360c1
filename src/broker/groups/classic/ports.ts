import type { GroupSettings } from '../group-settings.ts';

/** What a classic group has around it. */
export interface ClassicSurroundings {
  readonly settings: GroupSettings;
  /** Monotonic. */
  now(): number;
  /** Since the epoch. */
  wallMs(): number;
  newId(prefix: string): string;
  /** To be called, by `tick`, at this time or soon after. */
  wakeAt(dueMs: number): void;
  /** Calls it now, or soon if many were given: after those that were given before. */
  give(answer: () => void): void;
  /** What is to survive a restart has changed. */
  changed(): void;
}
