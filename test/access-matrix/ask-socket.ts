import { request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface SocketRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** As whom, by HTTP's own way to log in: the password is the name. */
  readonly user?: string;
}

/** The status of the answer, or the code of the error if there was none. */
export type SocketOutcome = number | string;

/** Of each request, one after the other. */
export async function askSocket(
  socketPath: string,
  requests: readonly SocketRequest[],
): Promise<SocketOutcome[]> {
  const outcomes: SocketOutcome[] = [];
  for (const each of requests) outcomes.push(await askOnce(socketPath, each));
  return outcomes;
}

function askOnce(socketPath: string, { method, path, body, user }: SocketRequest): Promise<SocketOutcome> {
  const { promise, resolve } = Promise.withResolvers<SocketOutcome>();
  const auth = user === undefined ? {} : { auth: `${user}:${user}` };
  const asked = request({ socketPath, method, path, agent: false, ...auth }, (answer) => {
    // Events would go on for ever.
    answer.destroy();
    resolve(answer.statusCode ?? 0);
  });
  asked.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** As a program of its own it is started as another user of the system. */
if (import.meta.main) {
  const [socketPath = '', requests = '[]'] = JSON.parse(await text(process.stdin)) as [string, string];
  process.stdout.write(JSON.stringify(await askSocket(socketPath, JSON.parse(requests))));
}
