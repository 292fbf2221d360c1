import type { Json } from '../../base/value-json.ts';
import type { AdminContext } from '../context.ts';
import { plainTable } from '../plain-json.ts';
import type { ApiRequest } from '../request.ts';
import type { ApiResponse } from '../response.ts';
import type { Route } from '../router.ts';

/** What happens from now on, a line for each event: `{"event": "queue.created", "timestamp": <ms>, …}`. */
export const eventRoutes: readonly Route[] = [{ method: 'GET', path: '/api/events', handle: follow }];

/** `?pattern=queue.*`, as a binding to the event exchange would have it; all of them without. */
function follow({ broker }: AdminContext, request: ApiRequest): ApiResponse {
  const matches = matcher(request.query.get('pattern') ?? '#');
  return {
    kind: 'lines',
    lines: {
      start(write: (line: Json) => boolean) {
        let lost = 0;
        return broker.events.listen(({ name, timeMs, fields }) => {
          if (!matches(name)) return;
          if (lost > 0 && write({ event: 'events.lost', timestamp: timeMs, count: lost })) lost = 0;
          if (!write({ event: name, timestamp: timeMs, ...plainTable(fields) })) lost++;
        });
      },
    },
  };
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
