import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProxyHeaderError, readProxyHeader } from '../../../src/servers/listener/proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

function v2(rest: string): Buffer {
  return Buffer.from(SIGNATURE + rest, 'hex');
}

describe('a header of the PROXY protocol', () => {
  it('of version 1 tells both ends, and how long it is', () => {
    const line = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 5672\r\n';
    assert.deepEqual(readProxyHeader(Buffer.from(`${line}AMQP`)), {
      kind: 'proxied',
      bytes: line.length,
      connection: {
        sourceAddress: '192.0.2.1',
        sourcePort: 56324,
        destinationAddress: '198.51.100.7',
        destinationPort: 5672,
      },
    });
  });

  it('of version 1 may say that the ends are not known', () => {
    assert.deepEqual(readProxyHeader(Buffer.from('PROXY UNKNOWN\r\n')), { kind: 'unknown', bytes: 15 });
    const long = 'PROXY UNKNOWN ffff:f…:ffff 1 2\r\n'.replace('…', '0');
    assert.deepEqual(readProxyHeader(Buffer.from(long)), { kind: 'unknown', bytes: long.length });
  });

  it('of version 2 tells both ends over IPv4 and IPv6, and its other fields are passed over', () => {
    const ipv4 = v2('21 11 000f c0000201 c6336407 dc04 1628 04 0000'.replaceAll(' ', ''));
    assert.deepEqual(readProxyHeader(ipv4), {
      kind: 'proxied',
      bytes: 31,
      connection: {
        sourceAddress: '192.0.2.1',
        sourcePort: 56324,
        destinationAddress: '198.51.100.7',
        destinationPort: 5672,
      },
    });
    const ipv6 = v2(`21210024${'20010db8'.padEnd(31, '0')}1${'0'.repeat(31)}1dc041628`);
    const header = readProxyHeader(ipv6);
    assert.equal(header.kind, 'proxied');
    assert.equal(header.connection.sourceAddress, '2001:db8::1');
    assert.equal(header.connection.destinationAddress, '::1');
  });

  it('of version 2 may be of the proxy itself, as its health checks are', () => {
    assert.deepEqual(readProxyHeader(v2('20000000')), { kind: 'local', bytes: 16 });
  });

  it('of version 2 may be of somebody who has no address of IP', () => {
    for (const family of ['00', '31']) {
      assert.deepEqual(readProxyHeader(v2(`21${family}0000`)), { kind: 'unknown', bytes: 16 });
    }
  });

  it('is refused where it is none, or not as the specification has it', () => {
    for (const text of [
      'AMQP\0\0\x09\x01',
      'PROXY TCP4 1.2.3.4\r\n',
      'PROXY TCP4 a b 1 2\r\n',
      'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
      'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
      `PROXY TCP4 ${'1'.repeat(120)}`,
    ]) {
      assert.throws(() => readProxyHeader(Buffer.from(text, 'latin1')), ProxyHeaderError, text);
    }
    for (const rest of ['31110000', '2f110000', '2111ffff', '2111000400000000']) {
      assert.throws(() => readProxyHeader(v2(rest)), ProxyHeaderError, rest);
    }
  });

  it('asks for more until all of it is there, wherever it is cut', () => {
    const headers = [
      Buffer.from('PROXY TCP6 2001:db8::1 ::1 56324 5672\r\n'),
      v2('2111000cc0000201c6336407dc041628'),
    ];
    for (const header of headers) {
      for (let bytes = 0; bytes < header.length; bytes++) {
        assert.equal(readProxyHeader(header.subarray(0, bytes)).kind, 'incomplete');
      }
      assert.equal(readProxyHeader(header).kind, 'proxied');
    }
  });

  it('is read or refused, whatever the bytes are', () => {
    const starts = fc.constantFrom(
      '',
      'PROXY ',
      'PROXY TCP4 ',
      Buffer.from(SIGNATURE, 'hex').toString('latin1'),
    );
    fc.assert(
      fc.property(starts, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        const bytes = Buffer.concat([Buffer.from(start, 'latin1'), rest]);
        try {
          const header = readProxyHeader(bytes);
          if (header.kind !== 'incomplete') assert.ok(header.bytes <= bytes.length);
        } catch (error) {
          assert.ok(error instanceof ProxyHeaderError);
        }
      }),
    );
  });
});
