import { choice, optionalFile, optionalText } from '../setting-types.ts';
import { setting } from './definition.ts';

/** Certificates, of the broker and of clients. */
export const TLS = {
  tlsCert: setting({
    key: 'tls-cert',
    type: optionalFile,
    default: null,
    description:
      'Certificate for TLS, in PEM, followed by its intermediate certificates. The file is read again when it changes, ' +
      'and on SIGHUP.',
  }),
  tlsKey: setting({
    key: 'tls-key',
    type: optionalFile,
    default: null,
    description: 'Private key of the certificate, in PEM, without a passphrase.',
  }),
  tlsCa: setting({
    key: 'tls-ca',
    type: optionalFile,
    default: null,
    description: "Certificates of the authorities that sign clients' certificates, in PEM.",
  }),
  tlsCrl: setting({
    key: 'tls-crl',
    type: optionalFile,
    default: null,
    description:
      "Lists of clients' certificates that were taken back, in PEM, a list for each authority in tls-ca: who comes with " +
      'one of them is refused, and so is every certificate once its list is out of date. It is read again when the file ' +
      'changes, and on SIGHUP; connections that are open stay.',
  }),
  tlsCiphers: setting({
    key: 'tls-ciphers',
    type: optionalText('CIPHERS', "OpenSSL's names, with colons between them"),
    default: null,
    description:
      'Ciphers for TLS, the preferred one first. Without it: those of TLS 1.3, and of TLS 1.2 those with ECDHE and AES-GCM ' +
      'or ChaCha20. Change it only for clients that have none of these.',
  }),
  tlsVerify: setting({
    key: 'tls-verify',
    type: choice('none', 'optional', 'required'),
    default: 'none',
    description:
      "Clients' certificates. none: not asked for. optional: checked if there is one. required: no connection without " +
      'a valid one. A client with a valid certificate may log in with it (EXTERNAL).',
  }),
  tlsLoginFrom: setting({
    key: 'tls-login-from',
    type: choice('common-name', 'distinguished-name'),
    default: 'common-name',
    description: "Field of a client's certificate that names the user (EXTERNAL).",
  }),
};
