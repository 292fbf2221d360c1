import { createHash } from 'node:crypto';
import { Pattern } from '../../policies/pattern.ts';
import { GroupError } from '../group-error.ts';
import type { GroupStream, GroupStreams } from '../ports.ts';
import type { ConsumerMember } from './consumer-member.ts';

/** Which streams the members of a group read, by the names and the expressions that they gave. */
export class Subscriptions {
  readonly #streams: GroupStreams;
  readonly #vhost: string;
  readonly #expressions = new Map<
    string,
    { readonly pattern: Pattern; streams: readonly GroupStream[] | null }
  >();

  constructor(streams: GroupStreams, vhost: string) {
    this.#streams = streams;
    this.#vhost = vhost;
  }

  /** @throws GroupError if it is no expression, or one that could take for ever to match */
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
    this.checkExpression(source);
    const expression = this.#expressions.get(source);
    if (expression === undefined) return [];
    expression.streams ??= this.#streams
      .list(this.#vhost)
      .filter(({ name }) => expression.pattern.matches(name));
    return expression.streams;
  }
}

/** Says which streams there are, and with how many partitions: another text for others. */
export function hashOf(streams: Iterable<GroupStream>): string {
  const lines = Array.from(streams, ({ id, partitions }) => `${id}:${partitions.length}`);
  if (lines.length === 0) return '';
  return createHash('sha256').update(lines.sort().join('\n')).digest('base64url').slice(0, 16);
}

/** It has to match the whole of the name (KIP-848, RE2). */
function compile(source: string): Pattern {
  const ignoresCase = source.startsWith('(?i)');
  const body = ignoresCase ? source.slice('(?i)'.length) : source;
  try {
    return new Pattern(source, `${ignoresCase ? '(?i)' : ''}^(?:${body})$`);
  } catch (error) {
    throw new GroupError('invalid-expression', error instanceof Error ? error.message : String(error));
  }
}
