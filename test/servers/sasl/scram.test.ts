import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type ScramCredential,
  type ScramMechanism,
  scramCredential,
} from '../../../src/broker/access/scram.ts';
import { SaslError } from '../../../src/servers/sasl/errors.ts';
import { readPlain } from '../../../src/servers/sasl/plain.ts';
import { fakeCredential, ScramExchange } from '../../../src/servers/sasl/scram.ts';
import { answer, salted } from './scram-client.ts';

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const PENCIL = credentialOf('SCRAM-SHA-256', 'pencil');

function credentialOf(mechanism: ScramMechanism, password: string): ScramCredential {
  return scramCredential(mechanism, SALT, 4096, salted(mechanism, password, SALT, 4096));
}

describe('SCRAM', () => {
  it('speaks as the example of RFC 7677, section 3', () => {
    const exchange = new ScramExchange(
      'SCRAM-SHA-256',
      (user) => (user === 'user' ? PENCIL : undefined),
      '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    );
    assert.equal(
      exchange.begin(Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')).toString(),
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    assert.equal(
      exchange
        .finish(
          Buffer.from(
            'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
              'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
          ),
        )
        .toString(),
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  it('lets in by the right password alone, under both mechanisms and any name', () => {
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      for (const [name, escaped] of [
        ['ada', 'ada'],
        ['v=1,2:ü', 'v=3D1=2C2:ü'],
      ] as const) {
        for (const password of ['right', 'wrong']) {
          const exchange = new ScramExchange(mechanism, (user) =>
            user === name ? credentialOf(mechanism, 'right') : undefined,
          );
          const first = `n,,n=${escaped},r=abc`;
          const serverFirst = exchange.begin(Buffer.from(first)).toString();
          assert.equal(exchange.user, name);
          const { final, signature } = answer(mechanism, password, first, serverFirst);
          if (password === 'right') {
            assert.equal(exchange.finish(Buffer.from(final)).toString(), signature);
          } else {
            assert.throws(
              () => exchange.finish(Buffer.from(final)),
              /invalid credentials with SASL mechanism/,
            );
          }
        }
      }
    }
  });

  it('does not tell which users exist: an unknown one fails as one with a wrong password', () => {
    const salts = new Set<string>();
    for (const attempt of [1, 2]) {
      const exchange = new ScramExchange('SCRAM-SHA-256', () => undefined);
      const first = `n,,n=nobody,r=nonce${attempt}`;
      const serverFirst = exchange.begin(Buffer.from(first)).toString();
      salts.add(serverFirst.slice(serverFirst.indexOf(',s=')));
      const { final } = answer('SCRAM-SHA-256', 'guess', first, serverFirst);
      assert.throws(() => exchange.finish(Buffer.from(final)), /invalid credentials/);
    }
    assert.equal(salts.size, 1);
  });

  it('lets a client repeat its own nonce, as librdkafka does', () => {
    const exchange = new ScramExchange('SCRAM-SHA-256', () => PENCIL);
    const first = 'n,,n=user,r=abc';
    const serverFirst = exchange.begin(Buffer.from(first)).toString();
    const { final, signature } = answer('SCRAM-SHA-256', 'pencil', first, serverFirst, 'abc');
    assert.equal(exchange.finish(Buffer.from(final)).toString(), signature);
  });

  it('refuses messages that are not bound to this exchange', () => {
    const begin = (): { exchange: ScramExchange; final: string } => {
      const exchange = new ScramExchange('SCRAM-SHA-256', () => PENCIL);
      const first = 'n,,n=user,r=abc';
      const serverFirst = exchange.begin(Buffer.from(first)).toString();
      return { exchange, final: answer('SCRAM-SHA-256', 'pencil', first, serverFirst).final };
    };
    const { final: earlier } = begin();
    const cases: readonly ((final: string) => string)[] = [
      () => earlier,
      (final) => final.replace('c=biws', 'c=eSws'),
      (final) => final.replace('r=abc', 'r=abd'),
      (final) => final.replace(/p=.*/, 'p=AAAA'),
      (final) => final.replace(/,p=.*/, ''),
      () => '',
    ];
    for (const change of cases) {
      const { exchange, final } = begin();
      assert.throws(() => exchange.finish(Buffer.from(change(final))), SaslError);
    }
    assert.throws(
      () => new ScramExchange('SCRAM-SHA-256', () => PENCIL).finish(Buffer.from(earlier)),
      SaslError,
    );
  });

  it('refuses an invalid client-first message, mandatory extensions and channel binding (RFC 5802, 7)', () => {
    for (const text of [
      '',
      'n,,',
      'p=tls-unique,,n=user,r=abc',
      'n,,m=x,n=user,r=abc',
      'n,,n=,r=abc',
      'n,,n=user,r=',
      'n,,n=us=er,r=abc',
      'n,a=other,n=user,r=abc',
      'n,,n=user,r=abc,tokenauth=true',
      'n,,n=user,r=a b',
      `n,,n=${'u'.repeat(10_000)},r=abc`,
    ]) {
      const exchange = new ScramExchange('SCRAM-SHA-256', () => PENCIL);
      assert.throws(() => exchange.begin(Buffer.from(text)), SaslError, text.slice(0, 50));
      assert.ok(!exchange.hasBegun);
    }
  });

  it('answers garbage with a refusal, and with nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array({ maxLength: 200 }), (one, other) => {
        const exchange = new ScramExchange('SCRAM-SHA-512', () => undefined);
        assert.throws(() => exchange.begin(one), SaslError);
        exchange.begin(Buffer.from('y,,n=user,r=abc'));
        assert.throws(() => exchange.finish(other), SaslError);
      }),
    );
  });
});

describe('PLAIN (RFC 4616)', () => {
  it('is a user and a password, with the same user in front of it or nobody', () => {
    for (const text of ['\0ada\0secret', 'ada\0ada\0secret']) {
      assert.deepEqual(readPlain(Buffer.from(text)), { user: 'ada', password: 'secret' });
    }
  });

  it('is refused in any other form', () => {
    for (const text of ['', '\0', '\0\0', '\0ada\0', '\0\0secret', 'bob\0ada\0secret', '\0a\0b\0c']) {
      assert.throws(() => readPlain(Buffer.from(text)), SaslError, JSON.stringify(text));
    }
  });
});

describe('the credential that an unknown user gets', () => {
  it('looks like one of those that users have, and the same each time', () => {
    const shapes = [
      { iterations: 4096, saltBytes: 18 },
      { iterations: 8192, saltBytes: 100 },
    ];
    const names = Array.from({ length: 64 }, (_, i) => `user ${i}`);
    const made = names.map((name) => fakeCredential('SCRAM-SHA-256', name, shapes));
    const found = new Set(
      made.map((each) => `${each.iterations} ${Buffer.from(each.salt, 'base64').length}`),
    );
    assert.deepEqual([...found].sort(), ['4096 18', '8192 100']);
    assert.deepEqual(fakeCredential('SCRAM-SHA-256', 'user 0', shapes), made[0]);
    assert.equal(fakeCredential('SCRAM-SHA-256', 'x').iterations, 16_384);
  });
});
