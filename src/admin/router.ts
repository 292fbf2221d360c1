import type { AdminContext } from './context.ts';
import { HttpError, notFound } from './http-error.ts';
import type { ApiRequest } from './request.ts';
import type { ApiResponse } from './response.ts';

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** The handler of a method and a path. `{name}` in the path matches one segment, which is the parameter of that name. */
export interface Route {
  readonly method: HttpMethod;
  readonly path: string;
  handle(context: AdminContext, request: ApiRequest): ApiResponse | Promise<ApiResponse>;
}

export interface Match {
  readonly route: Route;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Node {
  readonly fixed: Map<string, Node>;
  /** The child for any segment, of routes with a parameter here. */
  any: Node | null;
  readonly routes: Map<string, { readonly route: Route; readonly names: readonly string[] }>;
}

/** Finds the route of a path, segment by segment: a fixed one is preferred to a parameter. */
export class Router {
  readonly #root = newNode();

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#add(route);
  }

  /** `path` is as it stands in the request, still encoded. @throws HttpError 404, 405, 400 */
  find(method: string, path: string): Match {
    const segments = path.split('/').slice(1).map(decodeSegment);
    if (segments.at(-1) === '') segments.pop();
    const values: string[] = [];
    const node = descend(this.#root, segments, 0, values);
    if (node === null) throw notFound(`there is nothing at ${path}`);
    const found = node.routes.get(method);
    if (found === undefined) {
      const allowed = [...node.routes.keys()].join(', ');
      throw new HttpError(405, 'method_not_allowed', `${method} is not for ${path}; it takes ${allowed}`);
    }
    const parameters = new Map(found.names.map((name, index) => [name, values[index] ?? '']));
    return { route: found.route, parameters };
  }

  #add(route: Route): void {
    const names: string[] = [];
    let node = this.#root;
    for (const segment of route.path.split('/').slice(1)) {
      if (segment.startsWith('{')) {
        names.push(segment.slice(1, -1));
        node.any ??= newNode();
        node = node.any;
      } else {
        const next = node.fixed.get(segment) ?? newNode();
        node.fixed.set(segment, next);
        node = next;
      }
    }
    node.routes.set(route.method, { route, names });
  }
}

function newNode(): Node {
  return { fixed: new Map(), any: null, routes: new Map() };
}

/** The node of the path, if a route ends there; `values` then holds the segments that match parameters. */
function descend(node: Node, segments: readonly string[], at: number, values: string[]): Node | null {
  if (at === segments.length) return node.routes.size > 0 ? node : null;
  const segment = segments[at];
  const fixed = node.fixed.get(segment);
  if (fixed !== undefined) {
    const found = descend(fixed, segments, at + 1, values);
    if (found !== null) return found;
  }
  if (node.any === null) return null;
  values.push(segment);
  const found = descend(node.any, segments, at + 1, values);
  if (found === null) values.pop();
  return found;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, 'bad_request', `'${segment}' in the path is not percent-encoded UTF-8`);
  }
}
