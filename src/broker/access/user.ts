import { literal, Pattern } from '../policies/pattern.ts';
import type { PasswordHash } from './password.ts';
import type { ScramCredentials } from './scram.ts';

/** As the operations of the protocols are divided: what changes a thing, puts messages into it, takes them out of it. */
export type Verb = 'configure' | 'write' | 'read';

export interface PermissionPatterns {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

export interface TopicPatterns {
  readonly write: string;
  readonly read: string;
}

export type UserLimit = 'max-connections' | 'max-channels';
export type UserLimits = { readonly [name in UserLimit]?: number };

/** What a user may do in a virtual host. */
export type Grant = { readonly [verb in Verb]: Pattern };
/** With which routing keys, on a topic exchange for which this is said. */
export type TopicGrant = { readonly [verb in 'write' | 'read']: Pattern };

/**
 * A user, and what this user may do, right now: connections hold on to this object, and see every change. Changed by
 * `AccessState` alone.
 */
export class User {
  readonly name: string;
  /** Null: no password is right, but for one that `scram` knows. */
  password: PasswordHash | null = null;
  /** Of the same password, unless it was set by them alone. Those whose password is older than SCRAM have none. */
  scram: ScramCredentials = {};
  tags: ReadonlySet<string> = new Set();
  limits: UserLimits = {};
  /** By virtual host. */
  readonly grants = new Map<string, Grant>();
  /** By virtual host and exchange. */
  readonly topicGrants = new Map<string, Map<string, TopicGrant>>();
  /** Another user may have come under the same name; this one may nothing any more. */
  isDeleted = false;

  constructor(name: string) {
    this.name = name;
  }

  mayOpen(vhost: string): boolean {
    return !this.isDeleted && this.grants.has(vhost);
  }

  may(verb: Verb, vhost: string, name: string): boolean {
    return this.grants.get(vhost)?.[verb].matches(name) ?? false;
  }

  /** Where nothing is said about topics, all are allowed. */
  mayTopic(verb: 'write' | 'read', vhost: string, exchange: string, routingKey: string): boolean {
    return this.topicGrants.get(vhost)?.get(exchange)?.[verb].matches(routingKey) ?? true;
  }
}

export function grant({ configure, write, read }: PermissionPatterns): Grant {
  return { configure: new Pattern(configure), write: new Pattern(write), read: new Pattern(read) };
}

/** In the patterns, `{username}` and `{vhost}` stand for the names, whatever characters these have. */
export function topicGrant(user: string, vhost: string, { write, read }: TopicPatterns): TopicGrant {
  const pattern = (source: string): Pattern =>
    new Pattern(
      source,
      source.replaceAll('{username}', () => literal(user)).replaceAll('{vhost}', () => literal(vhost)),
    );
  return { write: pattern(write), read: pattern(read) };
}
