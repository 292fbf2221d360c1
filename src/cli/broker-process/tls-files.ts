import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { secureContext, type TlsMaterial, type TlsOptions } from '../../servers/listener/tls.ts';
import { ConfigurationError } from '../config/configuration.ts';
import type { Configuration } from '../config/settings.ts';

/** Where certificates and keys lie, and what is asked of clients. */
export interface TlsFiles extends Pick<TlsOptions, 'verify' | 'loginFrom'> {
  readonly certPath: string;
  readonly keyPath: string;
  /** Null if clients are not asked for a certificate. */
  readonly caPath: string | null;
  /** The lists of revoked certificates; null without. */
  readonly crlPath: string | null;
  /** Null for those that are usual here. */
  readonly ciphers: string | null;
}

const WATCH_MS = 3000;

/** @throws ConfigurationError if a setting is missing that another one needs */
export function tlsFiles(configuration: Configuration): TlsFiles {
  const { tlsCert, tlsKey, tlsCa, tlsCrl, tlsVerify, tlsLoginFrom, tlsCiphers } = configuration;
  const problems: string[] = [];
  const isKafkas = configuration.amqpsPort === 'off' && configuration.kafkasPort !== 'off';
  const port = isKafkas ? 'kafkas-port' : 'amqps-port';
  if (tlsCert === null) problems.push(`${port} needs tls-cert: the file with the certificate`);
  if (tlsKey === null) problems.push(`${port} needs tls-key: the file with the certificate's key`);
  if (tlsVerify !== 'none' && tlsCa === null) {
    problems.push(`tls-verify ${tlsVerify} needs tls-ca: the file with those who sign clients' certificates`);
  }
  if (tlsCrl !== null && tlsVerify === 'none') {
    problems.push('tls-crl needs tls-verify optional or required: clients are not asked for a certificate');
  }
  if (tlsCert === null || tlsKey === null || problems.length > 0) throw new ConfigurationError(problems);
  return {
    certPath: tlsCert,
    keyPath: tlsKey,
    caPath: tlsVerify === 'none' ? null : tlsCa,
    crlPath: tlsCrl,
    ciphers: tlsCiphers,
    verify: tlsVerify,
    loginFrom: tlsLoginFrom,
  };
}

/** Reads the files. @throws Error, one line, that says which file is not what it should be */
export function readTlsFiles(files: TlsFiles): TlsOptions {
  const { certPath, keyPath, caPath, crlPath, ciphers, verify, loginFrom } = files;
  const material: TlsMaterial = {
    cert: read('tls-cert', certPath),
    key: read('tls-key', keyPath),
    ca: caPath === null ? null : read('tls-ca', caPath),
    crl: crlPath === null ? null : read('tls-crl', crlPath),
    ...(ciphers === null ? {} : { ciphers }),
  };
  checkCertificate('tls-cert', certPath, material.cert);
  if (caPath !== null && material.ca !== null) checkCertificate('tls-ca', caPath, material.ca);
  try {
    createSecureContext(secureContext(material));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
      throw new Error(`tls-key: '${keyPath}' is not the key of the certificate in '${certPath}'`);
    }
    if (code === 'ERR_CRYPTO_OPERATION_FAILED') {
      throw new Error(`tls-crl: '${crlPath}' has no list of revoked certificates in PEM: ${textOf(error)}`);
    }
    if (code === 'ERR_SSL_NO_CIPHER_MATCH') {
      throw new Error(`tls-ciphers: '${ciphers}' names none that this OpenSSL has; see 'openssl ciphers -v'`);
    }
    throw new Error(`tls-key: '${keyPath}' has no key in PEM without a passphrase: ${textOf(error)}`);
  }
  return { ...material, verify, loginFrom };
}

/** Calls `renew` with the new material when the files have changed, and when `reload` is called. */
export class TlsWatcher {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  readonly #renew: (material: TlsMaterial) => void;
  readonly #timer: NodeJS.Timeout;
  #seen: string | null = null;

  constructor(files: TlsFiles, log: Logger, renew: (material: TlsMaterial) => void, watchMs = WATCH_MS) {
    this.#files = files;
    this.#log = log;
    this.#renew = renew;
    this.#timer = setInterval(() => void this.#look(), watchMs).unref();
    void this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** If the new files cannot be used, the old certificate stays in use. */
  reload(): void {
    const { certPath } = this.#files;
    try {
      this.#renew(readTlsFiles(this.#files));
      this.#log.info({ certificate: certPath }, 'the TLS certificate was read again');
    } catch (error) {
      this.#log.error(
        { reason: textOf(error) },
        'the TLS certificate is not changed: the new one is not good',
      );
    }
  }

  async #look(): Promise<void> {
    const { certPath, keyPath, caPath, crlPath } = this.#files;
    const paths = [certPath, keyPath, caPath, crlPath].filter((path) => path !== null);
    const found = (await Promise.all(paths.map(identity))).join(' ');
    const hasChanged = this.#seen !== null && found !== this.#seen;
    this.#seen = found;
    if (hasChanged) this.reload();
  }
}

/** Changes when the file is written, or replaced by another one. */
async function identity(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino}:${mtimeMs}:${size}`;
  } catch {
    return 'none';
  }
}

function read(key: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such file',
      EACCES: 'no permission',
      EISDIR: 'it is a directory',
    };
    throw new Error(`${key}: cannot read '${path}': ${reasons[code ?? ''] ?? textOf(error)}`);
  }
}

function checkCertificate(key: string, path: string, pem: string): void {
  try {
    new X509Certificate(pem);
  } catch (error) {
    throw new Error(`${key}: '${path}' has no certificate in PEM: ${textOf(error)}`);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
