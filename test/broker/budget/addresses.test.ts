import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressKey } from '../../../src/broker/budget/address-key.ts';
import { AddressRates } from '../../../src/broker/budget/address-rates.ts';

describe('the key of an address', () => {
  it('is an IPv4 address, and the /64 network of an IPv6 address, however it is written', () => {
    for (const [address, key] of [
      ['10.1.2.3', '10.1.2.3'],
      ['', ''],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
      ['2001:db8::1', '2001:db8:0:0'],
      ['2001:db8:1:2::', '2001:db8:1:2'],
      ['::1', '0:0:0:0'],
      ['fe80::1:2%eth0', 'fe80:0:0:0'],
      ['64:ff9b::1:2:10.0.0.1', '64:ff9b:0:0'],
    ]) {
      assert.equal(addressKey(address), key, address);
    }
  });
});

describe('the rate of connections of an address', () => {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs };
  const connect = (rates: AddressRates, address: string, tries: number) =>
    Array.from({ length: tries }, () => rates.mayConnect(address)).filter(Boolean).length;

  it('lets a burst through, then as many as the rate says, and others as ever', () => {
    const rates = new AddressRates(10, clock);
    assert.equal(connect(rates, '10.0.0.1', 500), 300);
    clock.nowMs += 1000;
    assert.equal(connect(rates, '10.0.0.1', 500), 10);
    assert.equal(connect(rates, '10.0.0.2', 100), 100);
  });

  it('is used up sooner by those that come to nothing, who are back within the time of a burst', () => {
    const rates = new AddressRates(10, clock);
    for (let i = 0; i < 1000; i++) rates.failed('10.0.0.3');
    assert.equal(connect(rates, '10.0.0.3', 1), 0);
    clock.nowMs += 30_000;
    assert.equal(connect(rates, '10.0.0.3', 500), 300);
  });

  it('of the default lets 15,000 from behind one proxy come at once', () => {
    assert.equal(connect(new AddressRates(2000, clock), '10.0.0.4', 15_000), 15_000);
  });

  it('is unlimited if it is infinite', () => {
    assert.equal(connect(new AddressRates(Number.POSITIVE_INFINITY, clock), '10.0.0.5', 1000), 1000);
  });
});
