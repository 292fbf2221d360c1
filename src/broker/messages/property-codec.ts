import type { Table } from '../../base/value.ts';

/**
 * The properties of a message stay in the encoding of the protocol that wrote it. Where the broker itself has to read
 * or change them (headers exchanges, dead letters), it does so through the codec of that protocol.
 */
export interface PropertyCodec {
  /** One of the SOURCE_ numbers of `record-content.ts`. */
  readonly source: number;
  /** Whether these bytes are properties: of those that clients wrote into records nobody else has made sure of it. */
  isValid(bytes: Buffer, start: number, end: number): boolean;
  /** Null if the message has none. */
  headers(bytes: Buffer, start: number, end: number): Table | null;
  /** Null if the message does not have it. */
  property(bytes: Buffer, start: number, end: number, name: NamedProperty): string | null;
  /** Whether whoever published the message wanted it to survive a restart. */
  isPersistent(bytes: Buffer, start: number, end: number): boolean;
  /** A changed copy; every field that the edit does not name keeps its type and bytes. */
  edit(bytes: Buffer, start: number, end: number, edit: PropertyEdit): Buffer;
  /** The properties of a message that the broker writes itself. */
  encode(properties: OwnProperties): Buffer;
}

/** Properties of at most 255 bytes of text. */
export type TextProperty =
  | 'content-type'
  | 'content-encoding'
  | 'correlation-id'
  | 'reply-to'
  | 'expiration'
  | 'message-id'
  | 'type'
  | 'user-id'
  | 'app-id';

export type NamedProperty = TextProperty | 'timestamp';

export interface PropertyEdit {
  /** Headers to set, in front of the others. */
  readonly set?: Table;
  /** Headers to remove. */
  readonly remove?: readonly string[];
  /** Without the property that says how long the message may wait. */
  readonly dropExpiration?: boolean;
  readonly replyTo?: string;
}

export interface OwnProperties {
  readonly headers: Table;
  /** Whole seconds since 1970. */
  readonly timestamp?: number;
  readonly persistent: boolean;
  readonly texts?: { readonly [name in TextProperty]?: string };
}

/** What the exchanges that a message passes may look at. */
export interface RoutedMessage {
  headers(): Table | null;
  property(name: NamedProperty): string | null;
}

/** The codecs of the protocols that this broker has messages of. */
export class PropertyCodecs {
  readonly #bySource = new Map<number, PropertyCodec>();

  constructor(codecs: readonly PropertyCodec[]) {
    for (const codec of codecs) this.#bySource.set(codec.source, codec);
  }

  /** Undefined for a source that nobody here can read. */
  of(source: number): PropertyCodec | undefined {
    return this.#bySource.get(source);
  }

  /** The one for messages of the broker's own. */
  get own(): PropertyCodec | undefined {
    return this.#bySource.values().next().value;
  }
}
