import { createHash } from 'node:crypto';
import { Pattern, validPattern } from '../../policies/pattern.ts';
import { GroupError } from '../group-error.ts';
import type { GroupStream, GroupStreams } from '../ports.ts';
import type { ConsumerMember } from './consumer-member.ts';
import type { HeartbeatRequest } from './requests.ts';

/** Of all members together; those that ask for a few are not counted. */
const NAMES_MAX = 200_000;
const NAMES_FREE = 100;

/** It has to match the whole of the name (KIP-848). */
const WHOLE = { isWhole: true };

interface Expression {
  readonly pattern: Pattern;
  /** Those that it matches; null until they are asked for. */
  streams: readonly GroupStream[] | null;
}

/** Which streams the members of a group read, by the names and the expressions that they gave. */
export class Subscriptions {
  readonly #streams: GroupStreams;
  readonly #vhost: string;
  readonly #expressions = new Map<string, Expression>();

  constructor(streams: GroupStreams, vhost: string) {
    this.#streams = streams;
    this.#vhost = vhost;
  }

  /** @throws GroupError if it is no expression of RE2, or too large a one */
  checkExpression(source: string): void {
    if (source === '' || this.#expressions.has(source)) return;
    this.#expressions.set(source, { pattern: compile(source), streams: null });
  }

  /** Streams came, went, or have more partitions. */
  streamsChanged(): void {
    for (const expression of this.#expressions.values()) expression.streams = null;
  }

  /** Those expressions that are in use stay. */
  retain(sources: ReadonlySet<string>): void {
    for (const source of this.#expressions.keys()) if (!sources.has(source)) this.#expressions.delete(source);
  }

  /** By their ids. */
  streamsOf({ wishes, maySee, target }: ConsumerMember): Map<string, GroupStream> {
    const streams = new Map<string, GroupStream>();
    for (const name of wishes.names) {
      const stream = this.#streams.get(this.#vhost, name);
      if (stream !== undefined) streams.set(stream.id, stream);
    }
    for (const stream of this.#matching(wishes.expression)) {
      if (maySee?.(stream.name) ?? target.has(stream.id)) streams.set(stream.id, stream);
    }
    return streams;
  }

  #matching(source: string | null): readonly GroupStream[] {
    if (source === null || source === '') return [];
    let expression = this.#expressions.get(source);
    if (expression === undefined) {
      // Of a member from the journal: one that an older broker took for an expression matches nothing.
      expression = { pattern: new Pattern(source, WHOLE), streams: null };
      this.#expressions.set(source, expression);
    }
    expression.streams ??= this.#streams
      .list(this.#vhost)
      .filter(({ name }) => expression.pattern.matches(name));
    return expression.streams;
  }
}

/** They are kept, and looked at for each new target. @throws GroupError group-full */
export function checkNameCount(
  members: Iterable<ConsumerMember>,
  { memberId, names }: HeartbeatRequest,
): void {
  if (names === null || names.length <= NAMES_FREE) return;
  let count = names.length;
  for (const { id, wishes } of members) if (id !== memberId) count += wishes.names.size;
  if (count <= NAMES_MAX) return;
  const text = `the members of the group subscribe to ${count} names together, and may to ${NAMES_MAX}`;
  throw new GroupError('group-full', text);
}

/** Says which streams there are, and with how many partitions: another text for others. */
export function hashOf(streams: Iterable<GroupStream>): string {
  const lines = Array.from(streams, ({ id, partitions }) => `${id}:${partitions.length}`);
  if (lines.length === 0) return '';
  return createHash('sha256').update(lines.sort().join('\n')).digest('base64url').slice(0, 16);
}

function compile(source: string): Pattern {
  try {
    return validPattern(source, WHOLE);
  } catch (error) {
    throw new GroupError('invalid-expression', error instanceof Error ? error.message : String(error));
  }
}
