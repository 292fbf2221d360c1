import type { Stream } from '../../streams/stream.ts';
import { deadLetterTopic } from '../dead-letter-owner.ts';
import type { ShareGroupsDeps } from './ports.ts';
import type { ShareGroup } from './share-group.ts';
import { groupNames } from './share-operations.ts';

/** Finds the streams that get what share groups gave up. */
export class DeadLetterStreams {
  readonly #deps: ShareGroupsDeps;
  /** Groups that may not write to theirs, and what the log has of it. */
  readonly #told = new WeakMap<ShareGroup, string>();

  constructor(deps: ShareGroupsDeps) {
    this.#deps = deps;
  }

  /**
   * That of the group, which is made if it is not there; null if it has none, or may not write to it.
   * @throws BrokerError limit-reached, resource-short
   */
  of(group: ShareGroup): Stream | null | Promise<Stream | null> {
    const found = this.#find(group);
    return found === undefined ? this.#made(group) : found;
  }

  /** Undefined: only shard 0 can make it. */
  #find(group: ShareGroup): Stream | null | undefined {
    const name = group.settings.deadLetterStream;
    if (name === null) return null;
    const { configs, access, streams } = this.#deps;
    const owner = configs.ownerOf(group.vhost, group.id);
    const found = deadLetterTopic({ access: access(), streams }, group.vhost, name, owner);
    if (found === null) return undefined;
    if (typeof found !== 'string') {
      this.#told.delete(group);
      return found;
    }
    if (this.#told.get(group) !== found) {
      this.#told.set(group, found);
      this.#deps.onProblem({ group: group.id, vhost: group.vhost, stream: name }, found);
    }
    return null;
  }

  async #made(group: ShareGroup): Promise<Stream | null> {
    await this.#deps.seat?.links[0]?.ask({ op: 'share.dead-letter-topic', ...groupNames(group) });
    const found = this.#find(group);
    if (found !== undefined) return found;
    throw new Error(`the dead-letter topic of share group '${group.id}' was deleted while it was made`);
  }
}
