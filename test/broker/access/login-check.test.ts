import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mayLogIn } from '../../../src/broker/access/login-check.ts';
import { GUEST_PASSWORD, hashPassword } from '../../../src/broker/access/password.ts';
import { type PasswordCheck, PasswordVerifier } from '../../../src/broker/access/password-verifier.ts';
import { type ScramCredential, scramCredentials } from '../../../src/broker/access/scram.ts';

/** What is worth counting: the memory-hard hash, and the iterations of SCRAM. The hash of guest costs nothing. */
interface Work {
  hashes: number;
  iterations: number;
}

async function tried(
  password: string,
  expected: PasswordCheck | null,
  { mayCome = true, name = 'ada' } = {},
): Promise<{ isIn: boolean; work: Work; salts: string[] }> {
  const verifier = new PasswordVerifier();
  const work: Work = { hashes: 0, iterations: 0 };
  const salts: string[] = [];
  const verify = (secret: string, check: PasswordCheck): Promise<boolean> => {
    if (check.algorithm !== 'scrypt') work.iterations += check.iterations;
    else if (check.n >= 2 ** 14) work.hashes++;
    salts.push(check.salt);
    return verifier.verify(secret, check);
  };
  const isIn = await mayLogIn(verify, name, password, expected, mayCome);
  return { isIn, work, salts };
}

describe('a refused login', () => {
  it('cost the same work, whoever the user is and whether there is one', async () => {
    const hash = await hashPassword('right');
    const scram = await scramCredentials('right');
    const strong = scram['SCRAM-SHA-512'] as ScramCredential;
    const weak = { ...strong, iterations: 4096 };
    const all = { hashes: 1, iterations: 16_384 };
    for (const expected of [null, hash, GUEST_PASSWORD, strong, weak]) {
      const { isIn, work } = await tried('wrong', expected);
      assert.equal(isIn, false);
      assert.deepEqual(work, all, JSON.stringify(expected));
    }
    assert.deepEqual((await tried('', null)).work, all);
    // Right, but not from there: no sooner and no later than a wrong one.
    assert.deepEqual(await tried('guest', GUEST_PASSWORD, { mayCome: false }).then(({ work }) => work), all);
    assert.deepEqual(await tried('right', hash, { mayCome: false }).then(({ work }) => work), all);
  });

  it('of an unknown user has work of its own, as that of a known one has', async () => {
    const [some, others] = await Promise.all(['x', 'y'].map((name) => tried('wrong', null, { name })));
    assert.ok(some !== undefined && others !== undefined);
    assert.deepEqual(
      some.salts.filter((salt) => others.salts.includes(salt)),
      [],
    );
  });
});

describe('a right password', () => {
  it('is checked once, and lets the user in', async () => {
    const { isIn, work } = await tried('right', await hashPassword('right'));
    assert.ok(isIn);
    assert.deepEqual(work, { hashes: 1, iterations: 0 });
    assert.ok((await tried('guest', GUEST_PASSWORD)).isIn);
  });
});
