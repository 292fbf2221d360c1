/** AMQP 0-9-1 §1.2 with the names that RabbitMQ uses at the start of a reply text (`NOT_FOUND - no queue …`). */
export const REPLY_CODES = {
  REPLY_SUCCESS: 200,
  CONTENT_TOO_LARGE: 311,
  NO_ROUTE: 312,
  NO_CONSUMERS: 313,
  CONNECTION_FORCED: 320,
  INVALID_PATH: 402,
  ACCESS_REFUSED: 403,
  NOT_FOUND: 404,
  RESOURCE_LOCKED: 405,
  PRECONDITION_FAILED: 406,
  FRAME_ERROR: 501,
  SYNTAX_ERROR: 502,
  COMMAND_INVALID: 503,
  CHANNEL_ERROR: 504,
  UNEXPECTED_FRAME: 505,
  RESOURCE_ERROR: 506,
  NOT_ALLOWED: 530,
  NOT_IMPLEMENTED: 540,
  INTERNAL_ERROR: 541,
} as const;

export type ReplyName = keyof typeof REPLY_CODES;
export type ReplyCode = (typeof REPLY_CODES)[ReplyName];

const replyNames = new Map<number, ReplyName>(
  Object.entries(REPLY_CODES).map(([name, code]) => [code, name as ReplyName]),
);

/** `replyName(404)` is `'NOT_FOUND'`; undefined for a code that AMQP does not have. */
export function replyName(code: number): ReplyName | undefined {
  return replyNames.get(code);
}

/** AMQP 4.2.3: the only types of frame. */
export const FRAME_METHOD = 1;
export const FRAME_HEADER = 2;
export const FRAME_BODY = 3;
export const FRAME_HEARTBEAT = 8;

export const FRAME_END = 0xce;
/** type (1) + channel (2) + size (4), in front of every payload. */
export const FRAME_PREFIX_BYTES = 7;
/** What a frame costs beside its payload: the prefix and the frame-end octet. */
export const FRAME_OVERHEAD_BYTES = 8;

export const CLASS_IDS = {
  connection: 10,
  channel: 20,
  access: 30,
  exchange: 40,
  queue: 50,
  basic: 60,
  confirm: 85,
  tx: 90,
} as const;

/** AMQP 4.2.3: no peer may ask for less. */
export const FRAME_MAX_MIN = 4096;
/** What we accept before tune-ok: a SASL response may carry a long token. */
export const FRAME_MAX_INITIAL = 8192;
export const FRAME_MAX_DEFAULT = 131072;
/** How deep tables and arrays may nest inside one another. */
export const TABLE_DEPTH_MAX = 32;
/**
 * How many values a table that a client sends may have, with all that is inside them. Whoever looks at headers decodes all
 * of them at once: the 25,000 that fit into a frame of 128 KiB would hold the event loop for tens of milliseconds.
 */
export const TABLE_VALUES_MAX = 4096;
export const SHORT_STRING_BYTES_MAX = 255;

/** "AMQP" 0 0 9 1 (AMQP 4.2.2): what a client sends first, and what a wrong header is answered with. */
export const PROTOCOL_HEADER: Uint8Array = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1);
