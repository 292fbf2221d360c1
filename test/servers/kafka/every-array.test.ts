import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isWork } from '../../../src/base/turn-time.ts';
import { FetchSessions } from '../../../src/servers/kafka/fetch/fetch-sessions.ts';
import { type ErasedHandler, isRaw } from '../../../src/servers/kafka/handler.ts';
import { HANDLERS } from '../../../src/servers/kafka/handlers/table.ts';
import type { Api } from '../../../src/wire/kafka/declaration.ts';
import { arrayPaths, ElementReads, FILLINGS, filled, untagged } from './array-requests.ts';
import { OTHERWISE, SECRET, sample } from './sample-requests.ts';
import { KafkaTestServer } from './test-server.ts';

/** More than any step may look at. */
const ELEMENTS = 1500;
/** Some hundred elements take some tens of microseconds. */
const ELEMENTS_PER_STEP_MAX = 512;

/** Where the sample would be refused before its arrays are looked at. */
const SENSIBLE: { readonly [api: string]: { readonly [field: string]: unknown } } = {
  CreateTopics: {
    topics: [
      {
        name: 'made',
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [1] }],
        configs: [{ name: 'retention.ms', value: '1' }],
      },
    ],
    validateOnly: true,
  },
};

/** Runs the requests with handlers whose steps are counted. */
async function withCounted(reads: () => ElementReads, run: () => Promise<void>): Promise<void> {
  const handlers = HANDLERS.filter((each): each is ErasedHandler => !isRaw(each));
  const before = handlers.map(({ handle }) => handle);
  for (const handler of handlers) {
    const { handle } = handler;
    handler.handle = (request, context) => {
      const outcome = handle.call(handler, reads().watched(request), context);
      return outcome !== null && isWork(outcome) ? reads().counted(outcome) : outcome;
    };
  }
  const { plan } = FetchSessions.prototype;
  FetchSessions.prototype.plan = function counted(request, version, connection) {
    return reads().counted(plan.call(this, reads().watched(request), version, connection));
  };
  try {
    await run();
  } finally {
    FetchSessions.prototype.plan = plan;
    for (const [index, handler] of handlers.entries()) handler.handle = before[index];
  }
}

describe('a request of any kind with thousands of elements in one of its arrays', () => {
  it('is answered, in steps that look at few of them', async () => {
    const errors: string[] = [];
    const nothing = (): void => undefined;
    const log = {
      debug: nothing,
      info: nothing,
      warn: nothing,
      error: (fields: object) => void errors.push(JSON.stringify(fields)),
    };
    await using test = await KafkaTestServer.start({ createsTopics: false, log });
    test.broker.streams.create({ vhost: '/', name: SECRET, partitions: 10, configs: new Map() });
    const { id = '' } = test.broker.streams.get('/', SECRET) ?? {};
    let reads = new ElementReads();
    const wrong: string[] = [];
    let client = await test.connectAsAdministrator();
    await withCounted(
      () => reads,
      async () => {
        for (const handler of HANDLERS) {
          const { api } = handler as { readonly api: Api };
          for (const version of new Set([handler.minVersion, handler.maxVersion])) {
            const { fields } = api.request;
            const one = {
              ...sample(fields, version, id),
              ...OTHERWISE[`${api.name} v${version}`]?.(id),
              ...SENSIBLE[api.name],
            };
            for (const path of arrayPaths(fields, version)) {
              for (const filling of FILLINGS) {
                reads = new ElementReads();
                const request = filled(untagged(fields, one), path, ELEMENTS, filling);
                const what = `${api.name} v${version} ${path.join('.')}, ${filling}`;
                const answer = await client.request(api, version, request as never).catch(String);
                reads.stepEnded();
                if (typeof answer === 'string') wrong.push(`${what}: ${answer}`);
                if (reads.most > ELEMENTS_PER_STEP_MAX) wrong.push(`${what}: ${reads.most} in one step`);
                if (client.isClosed) client = await test.connectAsAdministrator();
              }
            }
          }
        }
      },
    );
    client.socket.destroy();
    assert.deepEqual(wrong, []);
    assert.deepEqual(errors, []);
  });
});
