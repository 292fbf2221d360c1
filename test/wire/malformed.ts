import assert from 'node:assert/strict';
import fc from 'fast-check';

/** Runs a decoder on bytes that may be nonsense: it may succeed, but must throw nothing else than `Refusal`. */
export function decodesOrRefuses(Refusal: new (...args: never[]) => Error, decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    const stack = error instanceof Error ? error.stack : error;
    assert.ok(error instanceof Refusal, `not a ${Refusal.name}: ${stack}`);
  }
}

/** Places to damage, as fractions of a length that is not yet known, and what to put there. */
export const anyDamage = fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
  minLength: 1,
  maxLength: 4,
});

export function damaged(bytes: Uint8Array, damage: readonly (readonly [number, number])[]): Buffer {
  const copy = Buffer.from(bytes);
  for (const [place, value] of damage) copy[Math.floor(place * copy.length)] = value;
  return copy;
}
