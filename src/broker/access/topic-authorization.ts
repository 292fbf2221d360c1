import { literal, Pattern, type PatternOptions, validPattern } from '../policies/pattern.ts';

/*
 * RabbitMQ's topic authorization, beside the permissions for an exchange: with which routing keys a user may publish to
 * a topic exchange, which is to write, and bind to it, which is to read.
 */

export type TopicVerb = 'write' | 'read';
export type TopicPatterns = { readonly [verb in TopicVerb]: string };

export interface TopicPermission extends TopicPatterns {
  readonly vhost: string;
  readonly exchange: string;
}

/** With which routing keys, on a topic exchange for which this is said. */
type TopicGrant = { readonly [verb in TopicVerb]: Pattern };

/** The topic permissions of one user. */
export class TopicGrants implements Iterable<TopicPermission> {
  /** By virtual host and exchange. */
  readonly #grants = new Map<string, Map<string, TopicGrant>>();
  /** Whether nothing is said anywhere: read for each Produce. */
  isEmpty = true;

  /** Where nothing is said about topics, all are allowed. */
  allow(verb: TopicVerb, vhost: string, exchange: string, routingKey: string): boolean {
    return this.#grants.get(vhost)?.get(exchange)?.[verb].matches(routingKey) ?? true;
  }

  /** The routing keys to which the user is held on an exchange; null if all are allowed. */
  pattern(verb: TopicVerb, vhost: string, exchange: string): Pattern | null {
    const pattern = this.#grants.get(vhost)?.get(exchange)?.[verb];
    return pattern === undefined || pattern.matchesAll ? null : pattern;
  }

  /** Whether anything is said there. */
  has(vhost: string): boolean {
    return this.#grants.has(vhost);
  }

  set(vhost: string, exchange: string, granted: TopicGrant): void {
    const inVhost = this.#grants.get(vhost) ?? new Map<string, TopicGrant>();
    this.#grants.set(vhost, inVhost.set(exchange, granted));
    this.isEmpty = false;
  }

  delete(vhost: string, exchange: string): void {
    const inVhost = this.#grants.get(vhost);
    inVhost?.delete(exchange);
    if (inVhost?.size === 0) this.#grants.delete(vhost);
    this.isEmpty = this.#grants.size === 0;
  }

  clear(): void {
    this.#grants.clear();
    this.isEmpty = true;
  }

  /** The exchanges for which something is said. */
  exchangesIn(vhost: string): string[] {
    return [...(this.#grants.get(vhost)?.keys() ?? [])];
  }

  /** Those whose patterns are none, which match nothing. */
  *invalid(): Generator<{
    readonly vhost: string;
    readonly exchange: string;
    readonly verb: TopicVerb;
    readonly pattern: Pattern;
  }> {
    for (const [vhost, exchanges] of this.#grants) {
      for (const [exchange, granted] of exchanges) {
        for (const verb of ['write', 'read'] as const) {
          if (granted[verb].problem !== null) yield { vhost, exchange, verb, pattern: granted[verb] };
        }
      }
    }
  }

  *[Symbol.iterator](): Generator<TopicPermission> {
    for (const [vhost, exchanges] of this.#grants) {
      for (const [exchange, { write, read }] of exchanges) {
        yield { vhost, exchange, write: write.source, read: read.source };
      }
    }
  }
}

/** In the patterns, `{username}` and `{vhost}` stand for the names, whatever characters these have. */
export function topicGrant(user: string, vhost: string, { write, read }: TopicPatterns): TopicGrant {
  return {
    write: new Pattern(write, expanded(write, user, vhost)),
    read: new Pattern(read, expanded(read, user, vhost)),
  };
}

/** @throws BrokerError precondition-failed if one is none */
export function checkTopicPatterns(user: string, vhost: string, { write, read }: TopicPatterns): void {
  for (const source of [write, read]) validPattern(source, expanded(source, user, vhost));
}

function expanded(source: string, user: string, vhost: string): PatternOptions {
  const withUser = source.replaceAll('{username}', () => literal(user));
  return { expanded: withUser.replaceAll('{vhost}', () => literal(vhost)) };
}
