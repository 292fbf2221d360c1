import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { ScramMechanism } from '../../../src/broker/access/scram.ts';

export function salted(
  mechanism: ScramMechanism,
  password: string,
  salt: Buffer,
  iterations: number,
): Buffer {
  const [bytes, hash] = mechanism === 'SCRAM-SHA-256' ? [32, 'sha256'] : [64, 'sha512'];
  return pbkdf2Sync(password, salt, iterations, bytes, hash);
}

/** A client, written from the RFC alone, with a password or with what was made of it. Returns its last message, and what the server has to answer. */
export function answer(
  mechanism: ScramMechanism,
  password: string | Buffer,
  first: string,
  serverFirst: string,
  repeated = '',
): { readonly final: string; readonly signature: string } {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst) ?? [];
  const key =
    typeof password === 'string'
      ? salted(mechanism, password, Buffer.from(salt, 'base64'), Number(iterations))
      : password;
  const hmac = (by: Buffer, text: string): Buffer => createHmac(hash, by).update(text).digest();
  const withoutProof = `c=biws,r=${repeated}${nonce}`;
  const message = `${first.slice('n,,'.length)},${serverFirst},${withoutProof}`;
  const clientKey = hmac(key, 'Client Key');
  const signature = hmac(createHash(hash).update(clientKey).digest(), message);
  const proof = clientKey.map((byte, at) => byte ^ signature[at]);
  return {
    final: `${withoutProof},p=${Buffer.from(proof).toString('base64')}`,
    signature: `v=${hmac(hmac(key, 'Server Key'), message).toString('base64')}`,
  };
}
