import type { Socket } from 'node:net';
import type { TlsInfo } from '../../broker/connections/connection-info.ts';
import { isTls, subjectName } from './tls.ts';

/** What operators are told of a connection over TLS; null for one without. */
export function tlsInfo(socket: Socket): TlsInfo | null {
  if (!isTls(socket)) return null;
  const certificate = socket.getPeerX509Certificate();
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher()?.name ?? '',
    peerSubject: certificate === undefined ? null : subjectName(certificate, 'distinguished-name'),
  };
}
