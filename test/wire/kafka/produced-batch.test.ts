import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../../src/base/crc32c.ts';
import { findBatchFault, findProducedFault } from '../../../src/wire/kafka/produced-batch.ts';
import { RECORDED_BATCHES, recordedBatch } from './recorded-batches.ts';

/** The checksum put right again after a change. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function changed(name: string, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(recordedBatch(name).bytes);
  change(bytes);
  return bytes;
}

describe('a batch that another library made', () => {
  for (const { name, bytes } of RECORDED_BATCHES) {
    test(`is accepted from a producer: ${name}`, () => {
      assert.equal(findBatchFault(bytes, 0, bytes.length), null);
      assert.equal(findProducedFault(bytes, 0, bytes.length), null);
    });
  }
});

describe('a corrupt batch', () => {
  test('is found by its checksum, whichever bit behind the checksum it is', () => {
    const { bytes } = recordedBatch('java none');
    fc.assert(
      fc.property(fc.integer({ min: 17 * 8, max: bytes.length * 8 - 1 }), (bit) => {
        const copy = Buffer.from(bytes);
        copy[bit >> 3] ^= 1 << (bit & 7);
        assert.equal(findBatchFault(copy, 0, copy.length)?.error, 'CORRUPT_MESSAGE');
      }),
    );
  });

  test('is found wherever it is cut off', () => {
    const { bytes } = recordedBatch('java none');
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(findBatchFault(bytes, 0, end)?.error, 'CORRUPT_MESSAGE');
    }
  });

  test('with an impossible length is found', () => {
    for (const length of [-1, 0, 48, 0x7fffffff, -2147483648]) {
      const bytes = changed('java none', (batch) => batch.writeInt32BE(length, 8));
      assert.equal(findBatchFault(bytes, 0, bytes.length)?.error, 'CORRUPT_MESSAGE');
    }
  });
});

describe('what a producer may not send', () => {
  const refusals: readonly (readonly [string, (batch: Buffer) => void, RegExp])[] = [
    ['a batch with fewer offsets than records', (batch) => batch.writeInt32BE(23, 23), /last has number 23/],
    ['a batch without records', (batch) => batch.writeInt32BE(0, 57), /of 0 records/],
    ['control records', (batch) => (batch[22] |= 0x20), /control/],
    ['an unknown compression', (batch) => (batch[22] |= 5), /compression type 5/],
    ['a producer id without a sequence number', (batch) => batch.writeInt32BE(-1, 53), /sequence number -1/],
    [
      'a transaction without a producer id',
      (batch) => batch.fill(0xff, 43, 51).fill(0x10, 22, 23),
      /transactional/,
    ],
  ];
  for (const [title, change, text] of refusals) {
    test(`is ${title}`, () => {
      const bytes = sealed(changed('java none', change));
      const fault = findProducedFault(bytes, 0, bytes.length);
      assert.equal(fault?.error, 'INVALID_RECORD');
      assert.match(fault.text, text);
    });
  }

  test('is more than one batch', () => {
    const { bytes } = recordedBatch('java none');
    const twice = Buffer.concat([bytes, bytes]);
    assert.match(findProducedFault(twice, 0, twice.length)?.text ?? '', /exactly one/);
    assert.equal(findBatchFault(twice, bytes.length, twice.length), null);
  });

  test('is a message set of the old formats', () => {
    // As kafkajs writes them.
    for (const [magic, base64] of [
      [0, 'AAAAAAAAAAAAAAAQH+zXCgAAAAAAAWsAAAABdg=='],
      [1, '//////////8AAAAYOSaMMwEAAAABi8/laAAAAAABawAAAAF2'],
    ] as const) {
      const bytes = Buffer.from(base64, 'base64');
      const fault = findProducedFault(bytes, 0, bytes.length);
      assert.equal(fault?.error, 'INVALID_RECORD');
      assert.match(fault.text, new RegExp(`old format v${magic}`));
    }
  });
});
