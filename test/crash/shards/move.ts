import { type Failure, outcomeOf } from '../power-cut.ts';
import { MoveRun } from './move-run.ts';

/** Moves to fewer shards, interrupted at any moment; null if all is well. */
export function cutShardMoves(seed: number): Promise<Failure | null> {
  return outcomeOf(new MoveRun(seed), seed);
}
