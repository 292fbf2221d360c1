import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { ReceivedBody } from '../../../../src/servers/amqp091/publish/received-body.ts';

const MIB = 1024 * 1024;

/** Sends a part of a body in frames of so many bytes; `each` is called after each of them. */
function send(
  body: ReceivedBody,
  bytes: Buffer,
  frameBytes: number,
  each: () => void = () => undefined,
): void {
  for (let at = 0; at < bytes.length; at += frameBytes) {
    const before = body.heldBytes;
    const growth = body.growth(Math.min(frameBytes, bytes.length - at));
    body.append(bytes, at, Math.min(at + frameBytes, bytes.length));
    assert.ok(body.heldBytes <= before + growth, 'more is held than was said');
    each();
  }
}

describe('a body that comes in several frames', () => {
  it('is whole in the end, whatever its size and that of its frames', () => {
    const sizes = [1, 4095, 4097, 100_000, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1, 5 * MIB + 12_345];
    for (const size of sizes) {
      const bytes = randomBytes(size);
      for (const frameBytes of [4088, 131_064, 1_500_000]) {
        const body = new ReceivedBody(size);
        send(body, bytes, frameBytes);
        assert.ok(body.take().equals(bytes), `${size} bytes in frames of ${frameBytes}`);
      }
    }
  });

  it('takes memory for what has come, not for what was announced', () => {
    const body = new ReceivedBody(100 * MIB);
    const bytes = Buffer.alloc(16 * MIB);
    send(body, bytes, 131_064, () => {
      assert.ok(body.heldBytes <= Math.max(4096, body.bytes * 2, body.bytes + 2 * MIB), `${body.heldBytes}`);
    });
    assert.ok(body.heldBytes <= 18 * MIB, `${body.heldBytes}`);
  });

  it('has at most half of it in two places, and that not for long', () => {
    const bytes = Buffer.alloc(30 * MIB);
    const body = new ReceivedBody(bytes.length);
    let highest = 0;
    send(body, bytes, 131_064, () => {
      highest = Math.max(highest, body.heldBytes);
    });
    assert.ok(highest <= 1.6 * bytes.length, `${highest}`);
    assert.equal(body.heldBytes, bytes.length);
  });
});
