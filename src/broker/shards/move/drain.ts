import type { CorruptionError } from '../../../log/corruption.ts';
import { damagedSegmentText } from '../../../log/operator-advice.ts';
import { type HeldShard, outboxesOf } from './held-shard.ts';

const LOOK_MS = 20;
/** Without any progress for so long, somebody has to look. */
const PATIENCE_MS = 30_000;

/**
 * Has everything arrive that is on its way between shards, and has the delayed messages of shards from `count` on go to one that
 * remains, where they wait on. Resolves when nothing is on its way any more. Rejects with a message for an operator.
 */
export async function drain(
  shards: readonly HeldShard[],
  count: number,
  onStep: (step: string) => void,
): Promise<void> {
  for (const [number, { delays }] of shards.entries()) {
    if (number < count) continue;
    for (const store of delays.stores()) if (store.waitingCount > 0) store.leaveFor(number % count);
  }
  const { scheduler, clock } = shards[0].shard;
  let least = Number.POSITIVE_INFINITY;
  let progressMs = clock.monotonicMs();
  for (;;) {
    refuseDamage(shards, count);
    const left = messagesLeft(shards, count);
    if (left === 0) return;
    onStep(
      `taking in what is on its way between shards: ${left} ${left === 1 ? 'message' : 'messages'} left`,
    );
    if (left < least) {
      least = left;
      progressMs = clock.monotonicMs();
    } else if (clock.monotonicMs() - progressMs > PATIENCE_MS) throw stuck(shards, left);
    await new Promise<void>((resolve) => scheduler.after(LOOK_MS, resolve));
  }
}

/** A delayed message is first in its bucket, then in an outbox. */
function messagesLeft(shards: readonly HeldShard[], count: number): number {
  let left = 0;
  for (const [number, shard] of shards.entries()) {
    for (const outbox of outboxesOf(shard).outboxes.values()) left += outbox.count;
    if (number < count) continue;
    for (const store of shard.delays.stores()) left += 2 * store.waitingCount;
  }
  return left;
}

function refuseDamage(shards: readonly HeldShard[], count: number): void {
  for (const [number, shard] of shards.entries()) {
    for (const { to, log, corruption } of outboxesOf(shard).outboxes.values()) {
      if (!log.isCorrupt) continue;
      const what = `messages on their way from shard ${number} to shard ${to}, which cannot all be taken in,`;
      throw damaged(`${what} are where they were`, corruption);
    }
    if (number < count) continue;
    for (const store of shard.delays.stores()) {
      if (store.damage !== null)
        throw damaged(
          `delayed messages of shard ${number}, which cannot be moved, are where they were`,
          store.damage,
        );
    }
  }
}

function damaged(what: string, error: CorruptionError | null): Error {
  const path = error?.path ?? '';
  return new Error(`${damagedSegmentText(what, path)} (${error?.message ?? 'unknown'})`, { cause: error });
}

function stuck(shards: readonly HeldShard[], left: number): Error {
  const short = shards.flatMap(({ shard }, number) => (shard.alarms.isDiskReserved ? [number] : []));
  const disk = short.length === 0 ? '' : `; the disk of shard ${short.join(', ')} is full: make room on it`;
  return new Error(
    `${left} messages on their way between shards do not arrive: nothing has got on for ${PATIENCE_MS / 1000} s${disk}`,
  );
}
