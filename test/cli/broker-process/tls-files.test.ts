import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { readTlsFiles, TlsWatcher, tlsFiles } from '../../../src/cli/broker-process/tls-files.ts';
import { resolveConfiguration } from '../../../src/cli/config/configuration.ts';
import type { TlsMaterial } from '../../../src/servers/listener/tls.ts';
import { certificatePath } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));

let scratch: string;
let cert: string;
let key: string;

async function use(name: 'server' | 'successor'): Promise<void> {
  await copyFile(certificatePath(`${name}.pem`), cert);
  await copyFile(certificatePath(`${name}.key`), key);
}

function configured(...flags: [string, string][]): Parameters<typeof tlsFiles>[0] {
  return resolveConfiguration({ flags: new Map(flags), environment: {} }).values;
}

function files(): ReturnType<typeof tlsFiles> {
  return tlsFiles(configured(['tls-cert', cert], ['tls-key', key]));
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-tls-'));
  cert = join(scratch, 'cert.pem');
  key = join(scratch, 'key.pem');
});
after(() => rm(scratch, { recursive: true, force: true }));

describe('the files for TLS', () => {
  it('are asked for by name when a setting needs them', () => {
    assert.throws(
      () => tlsFiles(configured()),
      /^ConfigurationError: amqps-port needs tls-cert.*\n.*needs tls-key/,
    );
    assert.throws(
      () => tlsFiles(configured(['tls-cert', cert], ['tls-key', key], ['tls-verify', 'required'])),
      /tls-verify required needs tls-ca/,
    );
    assert.throws(
      () => tlsFiles(configured(['tls-cert', cert], ['tls-key', key], ['tls-crl', cert])),
      /tls-crl needs tls-verify optional or required/,
    );
  });

  it('that are not what they should be are named, in one line', async () => {
    await use('server');
    assert.equal(readTlsFiles(files()).verify, 'none');
    const cases: [string, string, RegExp][] = [
      [
        cert,
        certificatePath('successor.pem'),
        /^tls-key: '.*key.pem' is not the key of the certificate in '.*cert.pem'$/,
      ],
      [cert, certificatePath('server.key'), /^tls-cert: '.*cert.pem' has no certificate in PEM: .*$/],
      [
        key,
        certificatePath('server.pem'),
        /^tls-key: '.*key.pem' has no key in PEM without a passphrase: .*$/,
      ],
    ];
    for (const [path, content, message] of cases) {
      await use('server');
      await copyFile(content, path);
      assert.throws(() => readTlsFiles(files()), { message });
    }
    await use('server');
    const crl = join(scratch, 'crl.pem');
    await copyFile(certificatePath('server.pem'), crl);
    const verified: [string, string][] = [
      ['tls-cert', cert],
      ['tls-key', key],
      ['tls-ca', certificatePath('registrar.pem')],
      ['tls-verify', 'required'],
      ['tls-crl', crl],
    ];
    assert.throws(
      () => readTlsFiles(tlsFiles(configured(...verified))),
      /^Error: tls-crl: '.*crl.pem' has no list/,
    );
    await copyFile(certificatePath('revoked.crl'), crl);
    assert.match(readTlsFiles(tlsFiles(configured(...verified))).crl ?? '', /BEGIN X509 CRL/);
    assert.throws(
      () => readTlsFiles(tlsFiles(configured(...verified, ['tls-ciphers', 'NOPE']))),
      /^Error: tls-ciphers: 'NOPE' names none/,
    );
    await rm(key);
    assert.throws(() => readTlsFiles(files()), {
      message: `tls-key: cannot read '${key}': there is no such file`,
    });
  });

  it('are read again when they change, and a pair that does not fit leaves the old one', async () => {
    await use('server');
    const renewed: TlsMaterial[] = [];
    const log: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void log.push(line) });
    const watcher = new TlsWatcher(files(), logger, (material) => renewed.push(material), 10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(renewed.length, 0);
    await copyFile(certificatePath('successor.pem'), cert);
    await until(() => log.some((line) => line.includes('the new one is not good')));
    assert.equal(renewed.length, 0);
    await copyFile(certificatePath('successor.key'), key);
    await until(() => renewed.length > 0);
    watcher.stop();
    await writeFile(cert, 'scribble');
    watcher.reload();
    assert.equal(renewed.length, 1);
  });

  it('are read again on SIGHUP by the broker that prints its second port', {
    skip: process.platform === 'win32',
  }, async () => {
    await use('server');
    const flags = [
      '--data-dir',
      join(scratch, 'data'),
      '--amqp-port',
      'off',
      '--amqps-port',
      '0',
      '--kafka-port',
      'off',
    ];
    const child = spawn(LAUNCHER, ['start', ...flags, '--tls-cert', cert, '--tls-key', key], {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'))),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    try {
      const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
      const port = Number(/^sluice ready amqps=127\.0\.0\.1:(\d+) pid=\d+$/.exec(line)?.[1]);
      const first = await serialNumber(port);
      await use('successor');
      child.kill('SIGHUP');
      await until(() => errors.includes('was read again'));
      assert.notEqual(await serialNumber(port), first);
      child.kill('SIGTERM');
      assert.deepEqual(await once(child, 'close'), [0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

async function serialNumber(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerCertificate().serialNumber;
  socket.destroy();
  return serial;
}
