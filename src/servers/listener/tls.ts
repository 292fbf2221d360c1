import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContextOptions, Server, TLSSocket } from 'node:tls';

/** The contents of the files, in PEM. */
export interface TlsMaterial {
  /** Our certificate, then those between it and one that clients trust. */
  readonly cert: string;
  readonly key: string;
  /** Whose signature makes a client's certificate good; null if clients are not asked for one. */
  readonly ca: string | null;
}

export interface TlsOptions extends TlsMaterial {
  /** Clients are not asked for a certificate; may have one, and then a good one; must have a good one. */
  readonly verify: 'none' | 'optional' | 'required';
  /** Which part of a client's certificate is the name of the user, for EXTERNAL. */
  readonly loginFrom: 'common-name' | 'distinguished-name';
}

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

export function secureContext({ cert, key, ca }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca }) };
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
