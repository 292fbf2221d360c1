import { constants, randomBytes, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContextOptions, Server, TLSSocket } from 'node:tls';

/** The contents of the files, in PEM. */
export interface TlsMaterial {
  /** Our certificate, then those between it and one that clients trust. */
  readonly cert: string;
  readonly key: string;
  /** Whose signature makes a client's certificate good; null if clients are not asked for one. */
  readonly ca: string | null;
  /** Clients' certificates that their authorities took back (RFC 5280): one list for each authority; null without. */
  readonly crl?: string | null;
  /** OpenSSL's names, with colons between them, the preferred one first; `MODERN_CIPHERS` unless it is said. */
  readonly ciphers?: string;
}

/**
 * Forward secrecy and authenticated encryption, as RFC 9325 recommends: TLS 1.3's, and of TLS 1.2's those with ECDHE and
 * AEAD. No CBC, no key exchange by RSA, no SHA-1.
 */
export const MODERN_CIPHERS: string = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

export interface TlsOptions extends TlsMaterial {
  /** Clients are not asked for a certificate; may have one, and then a good one; must have a good one. */
  readonly verify: 'none' | 'optional' | 'required';
  /** Which part of a client's certificate is the name of the user, for EXTERNAL. */
  readonly loginFrom: 'common-name' | 'distinguished-name';
}

/** What Node takes for them. */
const TICKET_KEYS_BYTES = 48;

/** Node's TLS is loaded where it is wanted: most brokers are started without, and it takes some megabytes. */
export async function createTlsServer(tls: TlsOptions, handshakeTimeoutMs: number): Promise<Server> {
  const { createServer } = await import('node:tls');
  return createServer({
    ...secureContext(tls),
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: tls.verify !== 'none',
    rejectUnauthorized: tls.verify === 'required',
  });
}

export function secureContext({ cert, key, ca, crl, ciphers }: TlsMaterial): SecureContextOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: ciphers ?? MODERN_CIPHERS,
    honorCipherOrder: true,
    // With TLS 1.2 a client could begin handshakes within its connection, as many as it likes, which wait for no turn: Node
    // tells of more than three by an error, and goes on.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(ca === null ? {} : { ca }),
    ...(crl == null ? {} : { crl: listsIn(crl) }),
  };
}

/** Node reads one list of each text, and not those behind it. */
function listsIn(pem: string): string[] {
  return pem.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g) ?? [pem];
}

/**
 * Certificates that are good for connections to come, and new keys for session tickets: a client that resumes a session
 * does not show its certificate again, which may be one that was taken back meanwhile.
 */
export function renewSecureContext(server: Server, material: TlsMaterial): void {
  server.setSecureContext(secureContext(material));
  server.setTicketKeys(randomBytes(TICKET_KEYS_BYTES));
}

export function isTls(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket && socket.encrypted === true;
}

/** With `optional`, a client may come without a certificate, but not with a bad one. */
export function hasBadCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** Whom a verified certificate names; null if it names nobody, or there is none. */
export function certificateName(socket: TLSSocket, { verify, loginFrom }: TlsOptions): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (verify === 'none' || !socket.authorized || certificate === undefined) return null;
  return subjectName(certificate, loginFrom);
}

export function subjectName(certificate: X509Certificate, loginFrom: TlsOptions['loginFrom']): string | null {
  // One attribute a line, `CN=name`, in the order of the certificate.
  const attributes = (certificate.subject ?? '').split('\n').filter((line) => line !== '');
  if (loginFrom === 'common-name') {
    const names = attributes.filter((line) => line.startsWith('CN='));
    // Of several nobody can say which is meant.
    return names.length === 1 ? names[0].slice('CN='.length) : null;
  }
  // RFC 4514: the last one first.
  return attributes.length === 0 ? null : attributes.reverse().join(',');
}

/** Codes of OpenSSL's for first bytes that are no TLS record. */
const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_HTTPS_PROXY_REQUEST',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_RECORD_LAYER_FAILURE',
]);

/** Why a handshake failed, for the log; OpenSSL's words for a client without TLS help nobody. */
export function tlsFailure(error: NodeJS.ErrnoException): string {
  if (error.code === undefined || !NOT_TLS.has(error.code)) return error.message;
  return `a client without TLS at the TLS port: it has to use TLS, or a plain port (${error.code})`;
}
