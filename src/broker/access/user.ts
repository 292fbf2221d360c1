import type { ObjectLimit } from '../budget/object-limits.ts';
import { Pattern, validPattern } from '../policies/pattern.ts';
import type { PasswordHash } from './password.ts';
import type { ScramCredentials } from './scram.ts';
import { TopicGrants } from './topic-authorization.ts';

/** As the operations of the protocols are divided: what changes a thing, puts messages into it, takes them out of it. */
export type Verb = 'configure' | 'write' | 'read';

export interface PermissionPatterns {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** RabbitMQ has those of connections and channels. */
export type UserLimit = 'max-connections' | `max-${ObjectLimit}`;
export type UserLimits = { readonly [name in UserLimit]?: number };

/** What a user may do in a virtual host. */
export type Grant = { readonly [verb in Verb]: Pattern };

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
  readonly topicGrants = new TopicGrants();
  /** Another user may have come under the same name; this one may nothing any more. */
  isDeleted = false;

  constructor(name: string) {
    this.name = name;
  }

  get isAdministrator(): boolean {
    return this.tags.has('administrator');
  }

  mayOpen(vhost: string): boolean {
    return !this.isDeleted && this.grants.has(vhost);
  }

  may(verb: Verb, vhost: string, name: string): boolean {
    return this.grants.get(vhost)?.[verb].matches(name) ?? false;
  }
}

export function grant({ configure, write, read }: PermissionPatterns): Grant {
  return { configure: new Pattern(configure), write: new Pattern(write), read: new Pattern(read) };
}

/** @throws BrokerError precondition-failed if one is none */
export function checkPatterns({ configure, write, read }: PermissionPatterns): void {
  for (const source of [configure, write, read]) validPattern(source);
}
