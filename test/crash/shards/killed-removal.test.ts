import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import type { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { SimulatedTime } from '../simulated-time.ts';
import { fillView } from '../test-message.ts';
import { SimulatedShards } from './simulated-shards.ts';

const KIB = 1024;
const PATIENCE_MS = 20_000;
const SEEDS = 20;
/** The shard of the queue. */
const HOME = 1;

/** Two shards, time and again on the same disks. */
class Lives {
  readonly random: () => number;
  readonly time: SimulatedTime;
  readonly shards: SimulatedShards;
  #error: Error | null = null;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.shards = new SimulatedShards(this.time, {
      count: 2,
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: 4 * KIB,
        memoryLimitBytes: 16 * KIB,
        journalFileBytes: 16 * KIB,
        journalLimitBytes: 32 * KIB,
        segmentBytes: 8 * KIB,
        diskFreeLimitBytes: 0,
      },
      onFailure: (_shard, error) => {
        this.#error ??= error;
      },
      note: () => undefined,
    });
  }

  async openAndClose(): Promise<void> {
    await this.done(this.shards.open());
    await this.done(this.shards.close());
    await this.time.forget();
  }

  end(how: (disk: SimulatedFileSystem) => SimulatedFileSystem): Promise<void> {
    return this.shards.end(how);
  }

  done<T>(promise: Promise<T>): Promise<T> {
    return this.time.outcomeOf(promise, 'it', PATIENCE_MS, () => this.#error);
  }

  async until(condition: () => boolean): Promise<void> {
    assert.ok(await this.time.runUntil(condition, PATIENCE_MS));
  }

  get hasSegments(): boolean {
    return this.shards.disks[HOME].files().some(({ path }) => /^\/data\/logs\/\d/.test(path));
  }

  /** A queue with messages in segments, which is deleted. */
  async fillAndDelete(): Promise<void> {
    const { shard, deadLettering } = this.shards.brokers[HOME];
    const owner = this.shards.vhost(0);
    owner.declareQueue(
      { name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: { 'x-shard': HOME } },
      null,
    );
    const vhost = this.shards.vhost(HOME);
    await this.until(() => vhost.findQueue('q') !== undefined);
    const publisher = new Publisher(shard, deadLettering);
    for (let id = 0; id < 50; id++) {
      const message = { id, exchange: '', key: 'q', size: 2000, persistent: true, isKept: true };
      fillView(publisher.messageView, message);
      publisher.publish(vhost.route(vhost.defaultExchange, 'q', bareMessage), true);
      shard.turn.touch();
      await this.until(() => shard.store.journal.isIdle);
    }
    await this.until(() => this.hasSegments);
    const { commands, shard: first } = this.shards.brokers[0];
    const conditions = { ifUnused: false, ifEmpty: false };
    void first.turnTime.run(commands.deleteQueue(owner, 'q', conditions, null));
    await this.until(() => !this.hasSegments);
  }
}

describe('segments of a deleted queue, whose process was killed before their removal was on the disk', () => {
  it('do not come back in a power cut after a start and an orderly stop, when nothing names them', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const lives = new Lives(seed);
      await lives.openAndClose();
      await lives.done(lives.shards.open());
      await lives.fillAndDelete();
      await lives.end((disk) => disk.kill(lives.random));
      await lives.openAndClose();
      await lives.openAndClose();
      await lives.end((disk) => disk.crash(lives.random));
      assert.equal(lives.hasSegments, false, `seed ${seed}`);
      await lives.openAndClose();
    }
  });
});
