import type { ClientsView } from '../broker-addresses.ts';

/** A request on its way to the controller: what there is beside its body, of itself and of the client. */
export interface ForwardedHead {
  readonly apiKey: number;
  readonly version: number;
  /** The controller writes the whole response, with this. */
  readonly correlationId: number;
  readonly clientId: string | null;
  /** Its name; where the client has not logged in, the user that stands for it. */
  readonly user: string;
  readonly vhost: string;
  /** As in `Identity`. */
  readonly mechanism: string;
  readonly address: string;
  readonly view: ClientsView;
}

const LENGTH_BYTES = 4;

/**
 * The body is not copied, and stays as it is.
 *
 *     | length of the head, u32 | head, JSON | body of the request |
 */
export function encodeForwarded(head: ForwardedHead, body: Buffer): readonly Buffer[] {
  const text = JSON.stringify(head);
  const first = Buffer.allocUnsafe(LENGTH_BYTES + Buffer.byteLength(text));
  first.writeUInt32LE(first.length - LENGTH_BYTES);
  first.write(text, LENGTH_BYTES);
  return [first, body];
}

export function decodeForwarded(bytes: Buffer): { readonly head: ForwardedHead; readonly body: Buffer } {
  const bodyAt = LENGTH_BYTES + bytes.readUInt32LE();
  const head = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, bodyAt)) as ForwardedHead;
  return { head, body: bytes.subarray(bodyAt) };
}

/**
 * The answer: for how long the client is throttled, and the response as it is sent.
 *
 *     | milliseconds, u32 | frame of the response |
 */
export function encodeAnswer(throttleMs: number, frame: readonly Buffer[]): readonly Buffer[] {
  const first = Buffer.allocUnsafe(LENGTH_BYTES);
  first.writeUInt32LE(Math.min(throttleMs, 0xffff_ffff));
  return [first, ...frame];
}

export function decodeAnswer(bytes: Buffer): { readonly throttleMs: number; readonly frame: Buffer } {
  return { throttleMs: bytes.readUInt32LE(), frame: bytes.subarray(LENGTH_BYTES) };
}
