import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { Bucket } from './bucket.ts';

/** What a route, and those who publish along it, use of a queue. */
type Published = Pick<
  Queue,
  'name' | 'isRemoved' | 'isGuarded' | 'deduplicator' | 'settings' | 'levelFor' | 'messagesExpire'
>;
type PublishedLane = Pick<PriorityLevel, 'log' | 'queue' | 'priority' | 'published' | 'hold' | 'release'>;

/** Stands in a route for the queues that a message will go to when its delay is over. */
export class DelayTarget implements Published {
  readonly name = '';
  readonly isRemoved = false;
  readonly isGuarded = false;
  readonly deduplicator = null;
  readonly settings: Queue['settings'];
  readonly #choose: () => Bucket;
  readonly #onAccepted: () => void;

  constructor(settings: Queue['settings'], choose: () => Bucket, onAccepted: () => void) {
    this.settings = settings;
    this.#choose = choose;
    this.#onAccepted = onAccepted;
  }

  get asQueue(): Queue {
    return this as unknown as Queue;
  }

  /** The bucket for the time from now: to be asked for just before the message is appended. */
  levelFor(): PriorityLevel {
    const bucket = this.#choose();
    bucket.entrance ??= new DelayLevel(this.asQueue, bucket, this.#onAccepted) as unknown as PriorityLevel;
    return bucket.entrance;
  }

  /** How long it may wait counts from when it is routed. */
  messagesExpire(): void {}
}

class DelayLevel implements PublishedLane {
  readonly queue: Queue;
  readonly priority = 0;
  readonly log: QueueLog;
  readonly #bucket: Bucket;
  readonly #onAccepted: () => void;

  constructor(queue: Queue, bucket: Bucket, onAccepted: () => void) {
    this.queue = queue;
    this.log = bucket.log;
    this.#bucket = bucket;
    this.#onAccepted = onAccepted;
  }

  published(): void {
    this.#onAccepted();
    this.#bucket.published();
  }

  hold(offset: number): void {
    this.#bucket.hold(offset);
  }

  release(): void {
    this.#bucket.release();
  }
}
