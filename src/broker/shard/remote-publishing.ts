import type { MessageView } from '../../records/message-view.ts';

/** A queue of another shard, for those who publish to it. */
export interface RemoteRecipient {
  readonly id: number;
  /** Its shard has more of it in memory than it should: publishers wait. */
  isPaused: boolean;
}

/** Those queues of one other shard that get the same message. */
export interface RemoteTarget {
  /** The number of the shard. */
  readonly shard: number;
  readonly queues: readonly RemoteRecipient[];
}

/** How messages get to queues of other shards. */
export interface RemotePublishing {
  /**
   * Copies the message for each of the shards. Each answers the token (see `Waits`) once, when its part is safe or refused; 0 for no
   * token.
   */
  publish(
    targets: readonly RemoteTarget[],
    messageView: MessageView,
    persistent: boolean,
    token: number,
  ): void;
  /** Whether publishers to these should stop for now. */
  mustPause(targets: readonly RemoteTarget[]): boolean;
  /** `listener` is called once, when that may have changed. */
  onResume(targets: readonly RemoteTarget[], listener: () => void): void;
}
