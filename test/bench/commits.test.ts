import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listenerPorts, resolveCommit } from '../../bench/checkout.ts';
import { judgePairs, type Pair } from '../../bench/commit-result.ts';
import { selectRows } from '../../bench/commit-rows.ts';
import { costVerdict, pairOrder, rateVerdict } from '../../bench/verdict.ts';

const FLOOR = 0.97;

function estimate(low: number, high: number) {
  return { ratio: Math.sqrt(low * high), interval: { low, high } };
}

/** Fifteen pairs whose ratios differ by at most a hundredth from these. */
function pairs(rate: number, cost: number): Pair[] {
  return Array.from({ length: 15 }, (_, i) => {
    const error = 1 + (i - 7) / 700;
    return {
      A: { perSecond: 1000, cpuMicrosPerMessage: 2, faults: '' },
      B: { perSecond: 1000 * rate * error, cpuMicrosPerMessage: 2 * cost * error, faults: '' },
    };
  });
}

describe('the verdict on a row', () => {
  it('is a failure of the rate only when its whole interval is below the floor', () => {
    assert.equal(rateVerdict(estimate(0.9, 0.969), FLOOR), 'FAILED');
    assert.equal(rateVerdict(estimate(0.9, 0.971), FLOOR), 'undecided');
    assert.equal(rateVerdict(estimate(0.9, 1.2), FLOOR), 'undecided');
    assert.equal(rateVerdict(estimate(0.97, 1.2), FLOOR), 'floor reached');
  });

  it('is a failure of the processor time only when its whole interval is above what the floor allows', () => {
    assert.equal(costVerdict(estimate(1.032, 1.1), FLOOR), 'FAILED');
    assert.equal(costVerdict(estimate(1.03, 1.1), FLOOR), 'undecided');
    assert.equal(costVerdict(estimate(0.9, 1.03), FLOOR), 'floor reached');
  });

  it('is undecided without an interval', () => {
    const none = { ratio: 0.5, interval: undefined };
    assert.equal(rateVerdict(none, FLOOR), 'undecided');
    assert.equal(costVerdict(none, FLOOR), 'undecided');
  });

  it('says which of the two has failed, and that either one suffices', () => {
    const judge = (rate: number, cost: number) => {
      const { verdict, isFailed } = judgePairs(pairs(rate, cost), FLOOR);
      return [verdict, isFailed];
    };
    assert.deepEqual(judge(1, 1), ['floor reached', false]);
    assert.deepEqual(judge(0.9, 1), ['FAILED (rate)', true]);
    assert.deepEqual(judge(1, 1.1), ['FAILED (processor)', true]);
    assert.deepEqual(judge(0.9, 1.1), ['FAILED (rate, processor)', true]);
    assert.deepEqual(judge(FLOOR, 1), ['undecided (rate)', false]);
    assert.deepEqual(judge(1, 1 / FLOOR), ['undecided (processor)', false]);
    assert.deepEqual(judge(FLOOR, 1 / FLOOR), ['undecided', false]);
    assert.deepEqual(judge(FLOOR, 1.1), ['FAILED (processor)', true]);
  });
});

describe('the order of runs', () => {
  it('is A B B A', () => {
    assert.equal([0, 1, 2, 3].flatMap(pairOrder).join(' '), 'A B B A A B B A');
  });
});

describe('what a comparison is asked for', () => {
  it('is all rows, or those that are named or whose names begin so, each once', () => {
    assert.deepEqual(selectRows([]), [
      ...['a', 'b100', 'c', 'e-persistent'],
      ...['kafka-produce-100', 'kafka-produce-1k', 'kafka-consume-100', 'kafka-consume-1k'],
    ]);
    assert.deepEqual(selectRows(['kafka-produce', 'a', 'kafka-produce-1k', 'e']), [
      ...['kafka-produce-100', 'kafka-produce-1k', 'a', 'e-persistent'],
    ]);
    assert.throws(() => selectRows(['z']), /there is no row z; there are a, b100/);
  });

  it('is refused when a commit is not there', async () => {
    await assert.rejects(resolveCommit('no-such-branch'), /there is no commit no-such-branch/);
  });
});

describe('the listeners of a broker of any age', () => {
  it('are read from its help, with those that would be open', () => {
    const help = [
      'Usage: sluice start [options]',
      '',
      'Options:',
      '  --config <FILE>                      TOML file with settings; see --http-port',
      '  --amqp-port <PORT>                   Port for AMQP 0-9-1. Default: 5672.',
      '  --amqps-port <PORT>                  Port for AMQP 0-9-1 over TLS (1.2 and',
      '                                       up); 5671 is the usual one. Default: off.',
      '  --kafka-port <PORT>                  Port for the Kafka protocol. Default:',
      '                                       9092.',
      '  --stomp-port <PORT>                  Port for STOMP. Not built in this',
      '                                       version.',
      '  -h, --help                           display help for command',
    ].join('\n');
    assert.deepEqual(listenerPorts(help), [
      { flag: '--amqp-port', isOn: true },
      { flag: '--amqps-port', isOn: false },
      { flag: '--kafka-port', isOn: true },
      { flag: '--stomp-port', isOn: false },
    ]);
  });
});
