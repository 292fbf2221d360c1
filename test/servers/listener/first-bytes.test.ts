import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { connect as connectAmqp } from 'amqplib';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { recognise } from '../../../src/servers/listener/first-bytes.ts';
import type { ListenerLog } from '../../../src/servers/listener/listener.ts';
import { pem } from '../../support/certificates.ts';
import { KafkaTestServer } from '../kafka/test-server.ts';

const KAFKA_API_VERSIONS = Buffer.from('0000001000120003000000010001610002780279000000', 'hex');

/** Both protocols, and what they log. */
class Servers implements AsyncDisposable {
  readonly lines: string[] = [];
  kafka!: KafkaTestServer;
  amqp!: AmqpServer;

  static async start(tls?: { cert: string; key: string }): Promise<Servers> {
    const servers = new Servers();
    const write = (fields: object, message?: string) => {
      servers.lines.push(`${message} ${JSON.stringify(fields)}`);
    };
    const log = { debug: () => undefined, info: write, warn: write, error: write } as ListenerLog;
    servers.kafka = await KafkaTestServer.start({ log });
    const options = { host: '127.0.0.1', port: 0, closeTimeoutMs: 200, log };
    servers.amqp = await AmqpServer.listen(servers.kafka.broker, {
      ...options,
      ...(tls === undefined ? {} : { tls: { ...tls, ca: null, verify: 'none', loginFrom: 'common-name' } }),
    });
    return servers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.amqp.close();
    await this.kafka[Symbol.asyncDispose]();
  }
}

/** What the server answers to these bytes, until it ends the connection. */
async function answer(port: number, bytes: Uint8Array): Promise<string> {
  const socket: Socket = connect(port, '127.0.0.1').on('error', () => undefined);
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

describe('a client at the wrong port', () => {
  it('with TLS at a plain port: the log names the setting, and the client gets an alert', async () => {
    await using servers = await Servers.start();
    for (const [protocol, port] of [
      ['amqp', servers.amqp.port],
      ['kafka', servers.kafka.server.port],
    ] as const) {
      const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      const [error] = await once(client, 'error');
      assert.match(String(error), /alert handshake failure/);
      assert.ok(
        servers.lines.some((line) => line.includes(`port: set ${protocol}s-port, tls-cert and tls-key`)),
        servers.lines.join('\n'),
      );
    }
  });

  it('with HTTP: at the Kafka port it gets an HTTP response, at that for AMQP the header (AMQP 4.2.2); the log has both', async () => {
    await using servers = await Servers.start();
    const response = await fetch(`http://127.0.0.1:${servers.kafka.server.port}/api/overview`);
    assert.equal(response.status, 400);
    assert.match(
      await response.text(),
      /^This is no HTTP server, but Sluice: an HTTP request at the Kafka port/,
    );
    const request = Buffer.from('GET / HTTP/1.1\r\n\r\n');
    assert.equal(await answer(servers.amqp.port, request), 'AMQP\0\0\x09\x01');
    assert.equal(servers.lines.filter((line) => line.includes('an HTTP request at the')).length, 2);
  });

  it('with AMQP at the Kafka port, and the reverse: the log names the right port', async () => {
    await using servers = await Servers.start();
    await assert.rejects(connectAmqp(`amqp://127.0.0.1:${servers.kafka.server.port}`));
    assert.ok(
      servers.lines.some((line) => line.includes('an AMQP client at the Kafka port: its port is amqp-port')),
    );
    // AMQP 4.2.2: whoever speaks something else is sent our header.
    assert.equal(await answer(servers.amqp.port, KAFKA_API_VERSIONS), 'AMQP\0\0\x09\x01');
    assert.ok(
      servers.lines.some((line) => line.includes('a Kafka client at the AMQP port: its port is kafka-port')),
    );
  });

  it('with AMQP 1.0: it gets our header, and the log says that 1.0 is not built', async () => {
    await using servers = await Servers.start();
    for (const id of [0, 3]) {
      const header = Buffer.of(0x41, 0x4d, 0x51, 0x50, id, 1, 0, 0);
      assert.equal(await answer(servers.amqp.port, header), 'AMQP\0\0\x09\x01');
      assert.equal(await answer(servers.kafka.server.port, header), '');
    }
    assert.equal(servers.lines.filter((line) => line.includes('an AMQP 1.0 client at the')).length, 4);
  });

  it('is recognised at the Kafka port also when its bytes come one by one', async () => {
    await using servers = await Servers.start();
    const socket = connect({ port: servers.kafka.server.port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    for (const byte of Buffer.from('160301', 'hex')) socket.write(Buffer.of(byte));
    socket.write(Buffer.of(0, 0xf4));
    await once(socket, 'close');
    assert.ok(servers.lines.some((line) => line.includes('a TLS client at the plain Kafka port')));
  });

  it('without TLS at the TLS port: the log says so in words', async () => {
    await using servers = await Servers.start({ cert: pem('server.pem'), key: pem('server.key') });
    await answer(servers.amqp.port, Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
    await answer(servers.amqp.port, Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    assert.equal(
      servers.lines.filter((line) => line.includes('a client without TLS at the TLS port')).length,
      2,
      servers.lines.join('\n'),
    );
  });
});

describe('first bytes', () => {
  it('tell what a client speaks, or nothing', () => {
    const cases: readonly (readonly [string | Buffer, ReturnType<typeof recognise>])[] = [
      [Buffer.from('16030100f4', 'hex'), 'TLS'],
      ['GET / HTTP/1.1', 'HTTP'],
      ['CONNECT a:1 HTTP/1.1', 'HTTP'],
      ['CONNECT\naccept', 'STOMP'],
      ['STOMP\naccept', 'STOMP'],
      ['AMQP\0\0\x09\x01', 'AMQP'],
      ['AMQP\x01\x01\0\x09', 'AMQP'],
      ['AMQP\0\x01\0\0', 'AMQP 1.0'],
      ['PROXY TCP4 1', 'the PROXY protocol'],
      ['\x10\x0c\0\x04MQTT\x04', 'MQTT'],
      [KAFKA_API_VERSIONS, 'Kafka'],
      ['hello, is anybody there?', null],
      ['', null],
    ];
    for (const [bytes, expected] of cases) {
      assert.equal(recognise(Buffer.from(bytes as string, 'latin1')), expected, String(bytes));
    }
  });
});
