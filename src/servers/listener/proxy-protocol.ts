import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/**
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt): what a proxy
 * sends before the first byte of a connection, so that the server learns whom it stands for.
 *
 *     version 1:  PROXY TCP4 192.0.2.1 198.51.100.7 56324 5672\r\n       at most 107 bytes
 *     version 2:  12 bytes signature, u8 version << 4 | command, u8 family << 4 | transport, u16 length,
 *                 then the addresses, then type-length-value fields, which are passed over
 */

/** The ends of the connection that the proxy accepted. */
export interface ProxiedConnection {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/**
 * - `incomplete`: more bytes are needed;
 * - `local`: the proxy speaks for itself (a health check): the ends of the socket count;
 * - `unknown`: it stands for somebody, and does not know whom, or not by an address of IP;
 * - `proxied`: it stands for this client.
 * `bytes` is the length of the header.
 */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'local' | 'unknown'; readonly bytes: number }
  | { readonly kind: 'proxied'; readonly bytes: number; readonly connection: ProxiedConnection };

/** What came is no header of the PROXY protocol. */
export class ProxyHeaderError extends Error {
  override readonly name = 'ProxyHeaderError';
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_START = Buffer.from('PROXY ', 'latin1');
const V1_BYTES_MAX = 107;
const V2_PREFIX_BYTES = 16;
/** Of addresses and fields together; proxies send a few hundred bytes at most. */
const V2_LENGTH_MAX = 4096;

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };

/** @throws ProxyHeaderError */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return INCOMPLETE;
  if (startsLike(bytes, V1_START)) return readV1(bytes);
  if (startsLike(bytes, SIGNATURE)) return readV2(bytes);
  throw new ProxyHeaderError('the connection does not begin with a header of the PROXY protocol');
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n');
  if (end === -1) {
    if (bytes.length < V1_BYTES_MAX) return INCOMPLETE;
    throw new ProxyHeaderError(`the first line has no end within ${V1_BYTES_MAX} bytes`);
  }
  const [, family, sourceAddress, destinationAddress, sourcePort, destinationPort, ...rest] = bytes
    .toString('latin1', 0, end)
    .split(' ');
  if (family === 'UNKNOWN') return { kind: 'unknown', bytes: end + 2 };
  const isComplete = destinationPort !== undefined && rest.length === 0;
  const isKnown = family === 'TCP4' || family === 'TCP6';
  if (!isComplete || !isKnown) throw new ProxyHeaderError('the first line is not as version 1 has it');
  return {
    kind: 'proxied',
    bytes: end + 2,
    connection: {
      sourceAddress: validAddress(sourceAddress, family),
      sourcePort: validPort(sourcePort),
      destinationAddress: validAddress(destinationAddress, family),
      destinationPort: validPort(destinationPort),
    },
  };
}

function validAddress(text: string | undefined, family: 'TCP4' | 'TCP6'): string {
  if (text !== undefined && family === 'TCP4' && isIPv4(text)) return text;
  if (text !== undefined && family === 'TCP6' && isIPv6(text) && !text.includes('%')) return ipv6Text(text);
  throw new ProxyHeaderError('an address is not one');
}

function validPort(text: string | undefined): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text ?? '') || port > 65_535) throw new ProxyHeaderError('a port is not one');
  return port;
}

const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

function readV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < V2_PREFIX_BYTES) return INCOMPLETE;
  const versionAndCommand = bytes.readUInt8(12);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >>> 4 !== 2) throw new ProxyHeaderError('the version is not 2');
  if (command > COMMAND_PROXY) throw new ProxyHeaderError(`the command ${command} is unknown`);
  const length = bytes.readUInt16BE(14);
  if (length > V2_LENGTH_MAX) throw new ProxyHeaderError(`${length} bytes are more than ${V2_LENGTH_MAX}`);
  const end = V2_PREFIX_BYTES + length;
  if (bytes.length < end) return INCOMPLETE;
  const family = bytes.readUInt8(13) >>> 4;
  const isAddressed = family === FAMILY_IPV4 || family === FAMILY_IPV6;
  if (command === COMMAND_LOCAL) return { kind: 'local', bytes: end };
  if (!isAddressed) return { kind: 'unknown', bytes: end };
  const connection = addressesOf(bytes.subarray(V2_PREFIX_BYTES, end), family === FAMILY_IPV4 ? 4 : 16);
  return { kind: 'proxied', bytes: end, connection };
}

function addressesOf(bytes: Buffer, addressBytes: 4 | 16): ProxiedConnection {
  const portsAt = 2 * addressBytes;
  if (bytes.length < portsAt + 4) throw new ProxyHeaderError('the addresses are cut short');
  return {
    sourceAddress: addressText(bytes.subarray(0, addressBytes)),
    sourcePort: bytes.readUInt16BE(portsAt),
    destinationAddress: addressText(bytes.subarray(addressBytes, portsAt)),
    destinationPort: bytes.readUInt16BE(portsAt + 2),
  };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return ipv6Text(groups.join(':'));
}

/** As the system writes it (RFC 5952), so that one client has one address. */
function ipv6Text(address: string): string {
  return new SocketAddress({ address, family: 'ipv6' }).address;
}
