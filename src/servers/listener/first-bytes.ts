/** What a client speaks, by its first bytes. */
export type Speaks = 'TLS' | 'HTTP' | 'AMQP' | 'AMQP 1.0' | 'Kafka' | 'MQTT' | 'STOMP' | 'the PROXY protocol';

/** How many bytes are enough to tell, and how many are looked at. */
export const FIRST_BYTES = 16;

const HTTP = /^(?:GET |POST|PUT |HEAD|DELE|OPTI|PATC|CONNECT [^\n]|PRI \*)/;
const AMQP_1_0_PROTOCOL_IDS = [0, 2, 3];
/** Kafka's API keys and versions are small numbers; its first request is ApiVersions, Metadata or SaslHandshake. */
const KAFKA_FRAME_BYTES_MAX = 0xffff;
const KAFKA_API_KEY_MAX = 100;
const KAFKA_API_VERSION_MAX = 20;

/** Recognises a client at the wrong port. Null: by these bytes it may be anything. */
export function recognise(bytes: Uint8Array): Speaks | null {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, FIRST_BYTES));
  const text = view.toString('latin1');
  // TLS 1.x: a record of type handshake (22), legacy version 3.x.
  if (view[0] === 0x16 && view[1] === 0x03) return 'TLS';
  if (text.startsWith('AMQP'))
    return AMQP_1_0_PROTOCOL_IDS.includes(view[4]) && view[5] === 1 ? 'AMQP 1.0' : 'AMQP';
  if (text.startsWith('PROXY ') || text.startsWith('\r\n\r\n\0\r\nQUIT\n')) return 'the PROXY protocol';
  if (text.startsWith('CONNECT\n') || text.startsWith('CONNECT\r') || text.startsWith('STOMP'))
    return 'STOMP';
  if (HTTP.test(text)) return 'HTTP';
  // CONNECT, its remaining length, and the protocol's name behind a length of two bytes.
  if (view[0] === 0x10 && (text.includes('\0\x04MQTT') || text.includes('\0\x06MQIsdp'))) return 'MQTT';
  return looksLikeKafka(view) ? 'Kafka' : null;
}

/** For a stream of which the first bytes are `first`: `chunk` tells more where it begins with them. */
export function recogniseFrom(first: Uint8Array, chunk: Buffer): Speaks | null {
  return recognise(chunk.subarray(0, first.length).equals(first) ? chunk : first);
}

/** A frame's length, an API key and an API version. */
function looksLikeKafka(view: Buffer): boolean {
  return (
    view.length >= 8 &&
    view.readUInt32BE(0) <= KAFKA_FRAME_BYTES_MAX &&
    view.readUInt16BE(4) <= KAFKA_API_KEY_MAX &&
    view.readUInt16BE(6) <= KAFKA_API_VERSION_MAX
  );
}

/** For the log: who came to the port of `protocol`, and what to do. */
export function wrongPort(speaks: Speaks, protocol: 'amqp' | 'kafka'): string {
  const here = protocol === 'amqp' ? 'AMQP' : 'Kafka';
  switch (speaks) {
    case 'TLS':
      return `a TLS client at the plain ${here} port: set ${protocol}s-port, tls-cert and tls-key, and connect there`;
    case 'HTTP':
      return `an HTTP request at the ${here} port: there is no HTTP port in this version; administer with the sluice command`;
    case 'AMQP':
      return protocol === 'amqp'
        ? 'a client of another version of AMQP: 0-9-1 is what is spoken here'
        : 'an AMQP client at the Kafka port: its port is amqp-port, 5672 unless it was changed';
    case 'AMQP 1.0':
      return `an AMQP 1.0 client at the ${here} port: AMQP 1.0 is not built, connect with an AMQP 0-9-1 client to amqp-port`;
    case 'Kafka':
      return `a Kafka client at the ${here} port: its port is kafka-port, 9092 unless it was changed`;
    case 'MQTT':
    case 'STOMP':
      return `${speaks === 'MQTT' ? 'an MQTT' : 'a STOMP'} client at the ${here} port: ${speaks} is not built in this version`;
    case 'the PROXY protocol':
      return `a PROXY header at the ${here} port: name the proxy's address in proxy-protocol-from`;
  }
}

/**
 * What the client can be told in its own language, or null. TLS: an alert of level fatal (2), handshake_failure (40),
 * which ends the client's handshake at once.
 */
export function answerTo(speaks: Speaks, reason: string): Buffer | null {
  if (speaks === 'TLS') return Buffer.of(0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28);
  if (speaks === 'STOMP')
    return Buffer.from(`ERROR\ncontent-type:text/plain\nmessage:wrong port\n\n${reason}\n\0`);
  if (speaks !== 'HTTP') return null;
  const body = `This is no HTTP server, but Sluice: ${reason}\n`;
  return Buffer.from(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
}
