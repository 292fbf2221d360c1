/**
 * A protocol-neutral value: what headers and the arguments of queues, exchanges and bindings are made of.
 * Integers beyond 2^53 are bigints; byte arrays are Uint8Array; points in time are Date.
 */
export type Value = null | boolean | number | bigint | string | Uint8Array | Date | readonly Value[] | Table;

export interface Table {
  readonly [key: string]: Value;
}
