import type { Json } from '../../base/value-json.ts';
import { EVENTS_LOST } from '../../broker/shards/all-shards.ts';
import type { AdminContext } from '../context.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import type { ApiResponse } from '../response.ts';
import type { Route } from '../router.ts';
import { shardField } from './shard-field.ts';

/** What happens from now on, a line for each event: `{"event": "queue.created", "timestamp": <ms>, …}`. */
export const eventRoutes: readonly Route[] = [{ method: 'GET', path: '/api/events', handle: follow }];

/** `?pattern=queue.*`, as a binding to the event exchange would have it; all of them without. Those of all shards. */
async function follow({ broker }: AdminContext, request: ApiRequest): Promise<ApiResponse> {
  const matches = matcher(request.query.get('pattern') ?? '#');
  let write: ((line: Json) => boolean) | null = null;
  let lost = 0;
  const stop = await broker.allShards.listen(({ name, timeMs, fields, shard }) => {
    if (write === null) return;
    const isLoss = name === EVENTS_LOST;
    if (isLoss) lost += Number(fields.count);
    else if (!matches(name)) return;
    if (lost > 0 && write({ event: EVENTS_LOST, timestamp: timeMs, count: lost })) lost = 0;
    const line = { event: name, timestamp: timeMs, ...shardField(broker, shard), ...plainTable(fields) };
    if (!isLoss && !write(line)) lost++;
  });
  const start = (line: (line: Json) => boolean): (() => void) => {
    write = line;
    return stop;
  };
  return { kind: 'lines', lines: { start } };
}

/** The words of a topic pattern: `*` for one word, `#` for any number. */
function matcher(pattern: string): (name: string) => boolean {
  const words = pattern.split('.');
  const matches = (at: number, rest: readonly string[]): boolean => {
    if (at === words.length) return rest.length === 0;
    const word = words[at];
    if (word === '#') return rest.some((_, i) => matches(at + 1, rest.slice(i))) || matches(at + 1, []);
    return rest.length > 0 && (word === '*' || word === rest[0]) && matches(at + 1, rest.slice(1));
  };
  return (name) => matches(0, name.split('.'));
}
