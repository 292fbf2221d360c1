import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  GUEST_SCRAM,
  type ScramCredential,
  scramCredential,
  storedKeyOf,
} from '../../../src/broker/access/scram.ts';
import { TestBroker } from '../test-broker.ts';

function credentialOf(password: string, algorithm: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'): ScramCredential {
  const salt = Buffer.from('some salt');
  const [bytes, hash] = algorithm === 'SCRAM-SHA-256' ? [32, 'sha256'] : [64, 'sha512'];
  return scramCredential(algorithm, salt, 4096, pbkdf2Sync(password, salt, 4096, bytes, hash));
}

describe('credentials for SCRAM', () => {
  it('are those of RFC 7677', () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const salted = pbkdf2Sync('pencil', salt, 4096, 32, 'sha256');
    const { storedKey, serverKey } = scramCredential('SCRAM-SHA-256', salt, 4096, salted);
    const message =
      'n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
      's=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const signature = createHmac('sha256', Buffer.from(storedKey, 'base64')).update(message).digest();
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
    const clientKey = proof.map((byte, index) => byte ^ signature[index]);
    assert.equal(createHash('sha256').update(clientKey).digest('base64'), storedKey);
    assert.equal(
      createHmac('sha256', Buffer.from(serverKey, 'base64')).update(message).digest('base64'),
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  it('of guest are for the password guest', async () => {
    for (const credential of Object.values(GUEST_SCRAM)) {
      assert.equal((await storedKeyOf('guest', credential)).toString('base64'), credential.storedKey);
    }
  });

  it('are made whenever a password is set, and taken away with it; nothing of the password is on the disk', async () => {
    await using test = await TestBroker.start();
    const { administration } = test.broker.access;
    await administration.addUser('ada', 'tell-nobody');
    const first = test.broker.access.credentials.of('ada');
    assert.deepEqual(Object.keys(first ?? {}), ['SCRAM-SHA-256', 'SCRAM-SHA-512']);
    await administration.changePassword('ada', 'tell-nobody-else');
    await administration.setTags('ada', ['monitoring']);
    await administration.setUserLimits('ada', { 'max-connections': 5 });
    const changed = test.broker.access.credentials.of('ada');
    assert.notEqual(changed?.['SCRAM-SHA-256']?.salt, first?.['SCRAM-SHA-256']?.salt);
    await test.restart();
    assert.deepEqual(test.broker.access.credentials.of('ada'), changed);
    assert.deepEqual(test.broker.access.credentials.names(), ['guest', 'ada']);
    for (const file of await readdir(test.directory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const bytes = await readFile(join(file.parentPath, file.name));
      assert.ok(!bytes.includes('tell-nobody'), file.name);
    }
    await test.broker.access.administration.changePassword('ada', null);
    assert.deepEqual(test.broker.access.credentials.of('ada'), {});
    assert.equal(test.broker.access.administration.listUsers()[1]?.hasPassword, false);
  });

  it('that are set without the password replace it, wherever one is asked for', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    await access.administration.addUser('ada', 'old');
    await access.credentials.alter('ada', [], [credentialOf('new', 'SCRAM-SHA-256')], '/');
    assert.equal(await access.authenticate('ada', 'old', true), null);
    assert.equal((await access.authenticate('ada', 'new', true))?.name, 'ada');
    await access.credentials.alter('ada', [], [credentialOf('newer', 'SCRAM-SHA-512')], '/');
    assert.equal(await access.authenticate('ada', 'new', true), null);
    assert.equal((await access.authenticate('ada', 'newer', true))?.name, 'ada');
    await access.credentials.alter('ada', [], [credentialOf('newest', 'SCRAM-SHA-256')], '/');
    await test.restart();
    assert.equal((await test.broker.access.authenticate('ada', 'newest', true))?.name, 'ada');
    assert.equal(test.broker.access.administration.listUsers()[1]?.hasPassword, true);
  });

  it('make a user that was not there, who may open the virtual host and do nothing in it', async () => {
    await using test = await TestBroker.start();
    const { access } = test.broker;
    await access.credentials.alter('bob', [], [credentialOf('x', 'SCRAM-SHA-512')], '/');
    const bob = await access.authenticate('bob', 'x', false);
    assert.ok(bob !== null);
    assert.equal(access.openVhost(bob, '/').name, '/');
    assert.deepEqual(access.authorizer(bob, '/', '::1').operations('topic', 't'), []);
    await access.credentials.alter('bob', ['SCRAM-SHA-512'], [], '/');
    assert.equal(await access.authenticate('bob', 'x', false), null);
    await assert.rejects(
      access.credentials.alter('bob', ['SCRAM-SHA-512'], [], '/'),
      /no credentials for SCRAM-SHA-512/,
    );
  });
});
