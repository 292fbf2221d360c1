import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../src/wire/kafka/byte-reader.ts';
import { ByteWriter } from '../../../src/wire/kafka/byte-writer.ts';
import type { Message } from '../../../src/wire/kafka/declaration.ts';
import { compileStructReader, type Read } from '../../../src/wire/kafka/decoder.ts';
import { compileStructWriter, type Write } from '../../../src/wire/kafka/encoder.ts';
import { KafkaWireError } from '../../../src/wire/kafka/errors.ts';
import { fetchRequestReader, fetchResponseWriter } from '../../../src/wire/kafka/hot-fetch.ts';
import { produceRequestReader, produceResponseWriter } from '../../../src/wire/kafka/hot-produce.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { isFlexible } from '../../../src/wire/kafka/messages.ts';
import { anyDamage, damaged } from '../malformed.ts';
import { contentsOf } from './arbitraries.ts';

/** What is done by hand and what is done by the declaration, side by side. */
function read(reading: Read, bytes: Buffer): unknown {
  const reader = new ByteReader(bytes, 0, bytes.length, 'message');
  try {
    const value = reading(reader);
    reader.expectEnd();
    return value;
  } catch (error) {
    if (error instanceof KafkaWireError) return 'refused';
    throw error;
  }
}

function written(writing: Write, value: unknown): string {
  const writer = new ByteWriter();
  writing(writer, value);
  return Buffer.concat(writer.take()).toString('hex');
}

function forEachVersion(message: Message, check: (version: number, flexible: boolean) => void): void {
  for (let version = message.versions.min; version <= message.versions.max; version++) {
    check(version, isFlexible(message, version));
  }
}

const READERS = [
  [produce.request, produceRequestReader],
  [fetch.request, fetchRequestReader],
] as const;

const WRITERS = [
  [produce.response, produceResponseWriter],
  [fetch.response, fetchResponseWriter],
] as const;

describe('the readers written by hand', () => {
  for (const [message, readerOf] of READERS) {
    test(`read, or refuse, what the declaration does: ${message.name}`, () => {
      forEachVersion(message, (version, flexible) => {
        const byHand = readerOf(version);
        const byDeclaration = compileStructReader(message.fields, version, flexible);
        const write = compileStructWriter(message.fields, version, flexible);
        const contents = contentsOf(message, version);
        const damage = fc.option(anyDamage);
        const property = fc.property(
          contents,
          damage,
          fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
          (value, harm, cut) => {
            const whole = Buffer.from(written(write, value), 'hex');
            const harmed = harm === null ? whole : damaged(whole, harm);
            const bytes = cut === null ? harmed : harmed.subarray(0, Math.floor(cut * harmed.length));
            assert.deepEqual(read(byHand, bytes), read(byDeclaration, bytes), `v${version}`);
          },
        );
        fc.assert(property, { numRuns: 60 });
      });
    });

    test(`refuse null where the declaration does, and pass over unknown tags as it does: ${message.name}`, () => {
      forEachVersion(message, (version, flexible) => {
        const byHand = readerOf(version);
        const byDeclaration = compileStructReader(message.fields, version, flexible);
        const small = fc.array(fc.constantFrom(0, 1, 2, 3, 0xff), { minLength: 20, maxLength: 60 });
        const property = fc.property(small, (noise) => {
          const bytes = Buffer.from(noise);
          assert.deepEqual(read(byHand, bytes), read(byDeclaration, bytes), `v${version}`);
        });
        fc.assert(property, { numRuns: 60 });
      });
    });
  }
});

/** Without some of the fields that may be left out, so that their defaults are written. */
function without(value: unknown, names: readonly string[]): unknown {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item) => without(item, names));
  const entries = Object.entries(value).filter(([name]) => !names.includes(name));
  return Object.fromEntries(entries.map(([name, item]) => [name, without(item, names)]));
}

const LEFT_OUT = [
  'throttleTimeMs',
  'errorMessage',
  'recordErrors',
  'currentLeader',
  'divergingEpoch',
  'snapshotId',
  'nodeEndpoints',
  'logAppendTimeMs',
  'logStartOffset',
  'lastStableOffset',
  'abortedTransactions',
  'preferredReadReplica',
  'sessionId',
];

describe('the writers written by hand', () => {
  for (const [message, writerOf] of WRITERS) {
    test(`write what the declaration does: ${message.name}`, () => {
      forEachVersion(message, (version, flexible) => {
        const byHand = writerOf(version);
        const byDeclaration = compileStructWriter(message.fields, version, flexible);
        const leftOut = fc.option(fc.subarray(LEFT_OUT), { nil: LEFT_OUT });
        const property = fc.property(contentsOf(message, version), leftOut, (contents, names) => {
          const value = without(contents, names);
          assert.equal(written(byHand, value), written(byDeclaration, value), `v${version}`);
        });
        fc.assert(property, { numRuns: 60 });
      });
    });
  }
});
