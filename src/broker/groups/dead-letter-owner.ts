import type { Access } from '../access/access.ts';
import type { Stream } from '../streams/stream.ts';
import type { Streams } from '../streams/streams.ts';

/** Who set the dead-letter topic of a group: as whom, and from where, access control lists know the client. */
export interface SettingOwner {
  readonly user: string;
  readonly host: string;
  /** See `Access.authorizer`. */
  readonly anonymousAs: string | null;
}

export interface DeadLetterTopicDeps {
  readonly access: Access;
  readonly streams: Streams;
}

/**
 * The topic that takes what a group gives up, made if it is not there: with the rights that whoever set it has now. For what
 * an operator set, and what was set before owners were kept, `owner` is null. Otherwise a sentence that says why not: what the
 * group gives up is dropped then, as without such a topic. Null: it is not there, and only shard 0 can make it.
 */
export function deadLetterTopic(
  { access, streams }: DeadLetterTopicDeps,
  vhost: string,
  name: string,
  owner: SettingOwner | null,
): Stream | string | null {
  const stream = streams.get(vhost, name);
  const problem = owner === null ? null : deadLetterProblem(access, vhost, name, stream, owner);
  if (problem !== null || stream?.isInternal === true) {
    return (
      `records that a share group gave up are dropped, as its dead-letter topic '${name}' is not written: ` +
      `${problem ?? 'the broker alone writes there'}; set sluice.dead.letter.topic of the group anew, or give the rights`
    );
  }
  if (stream !== undefined) return stream;
  return streams.isFollower ? null : streams.create({ vhost, name, partitions: 1, configs: new Map() });
}

/** Why the owner may not have records go to this topic; null if it may. `stream`: the topic, if it is there. */
export function deadLetterProblem(
  access: Access,
  vhost: string,
  name: string,
  stream: Stream | undefined,
  { user, host, anonymousAs }: SettingOwner,
): string | null {
  const identity = access.userNamed(user);
  if (identity === undefined) return `user '${user}', who set it, is deleted`;
  const authorizer = access.authorizer(identity, vhost, host, anonymousAs);
  if (!authorizer.may('write', 'topic', name)) return `user '${user}', who set it, may not write to it`;
  if (authorizer.writableKeys(name) !== null)
    return `user '${user}', who set it, may write with some keys alone`;
  if (stream !== undefined || authorizer.may('create', 'topic', name)) return null;
  return authorizer.may('create', 'cluster', 'kafka-cluster')
    ? null
    : `user '${user}', who set it, may not make it`;
}
