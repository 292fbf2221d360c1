import type { Work } from '../../../src/base/turn-time.ts';
import { type Fields, includes } from '../../../src/wire/kafka/declaration.ts';

type Values = { readonly [field: string]: unknown };

/** The ways to each array of a message, tagged fields aside: `topics`, `topics.partitions`. */
export function arrayPaths(
  fields: Fields,
  version: number,
  before: readonly string[] = [],
): (readonly string[])[] {
  return Object.entries(fields).flatMap(([name, { type, versions, tag }]) => {
    if (tag >= 0 || !includes(versions, version)) return [];
    const path = [...before, name];
    const inner = type.kind === 'array' ? type.of : type;
    const paths = inner.kind === 'struct' ? arrayPaths(inner.fields, version, path) : [];
    return type.kind === 'array' ? [path, ...paths] : paths;
  });
}

/** `same`: one element again and again; `others`: each has another name or number; `hollow`: what is in them is empty. */
export const FILLINGS = ['same', 'others', 'hollow'] as const;
export type Filling = (typeof FILLINGS)[number];

/** The request with so many elements in the array at the end of the path, made from the first one there. */
export function filled(
  request: Values,
  [field, ...rest]: readonly string[],
  count: number,
  filling: Filling,
): Values {
  const value = request[field];
  if (rest.length > 0) {
    const inner = Array.isArray(value)
      ? value.map((each) => filled(each as Values, rest, count, filling))
      : filled(value as Values, rest, count, filling);
    return { ...request, [field]: inner };
  }
  const [first] = value as readonly unknown[];
  const element = filling === 'hollow' ? hollow(first) : first;
  const elements = Array.from({ length: count }, (_, index) =>
    filling === 'others' ? other(element, field.endsWith('Types') ? index % 100 : index) : element,
  );
  return { ...request, [field]: elements };
}

function isStruct(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Array.isArray(value);
}

function hollow(value: unknown): unknown {
  if (!isStruct(value)) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, Array.isArray(inner) ? [] : inner]);
  return Object.fromEntries(entries);
}

/** Its first text or number is another one, as those of elements are what they are known by; ids of topics stay. */
function other(value: unknown, index: number): unknown {
  if (typeof value === 'number') return index;
  if (typeof value === 'string') return `n${index}`;
  if (!isStruct(value)) return value;
  const names = Object.keys(value);
  const name = names.find((each) => /^(string|number)$/.test(typeof value[each]) && !/Id$|Type/.test(each));
  const known = name ?? names.find((each) => typeof value[each] === 'string' && each !== 'topicId');
  return known === undefined ? value : { ...value, [known]: other(value[known], index) };
}

/** Without tagged fields: they count as elements, and clients do not send them. */
export function untagged(fields: Fields, request: Values): Values {
  return Object.fromEntries(
    Object.entries(request).flatMap(([name, value]) => {
      const { type, tag } = fields[name];
      if (tag >= 0) return [];
      const inner = type.kind === 'array' ? type.of : type;
      if (inner.kind !== 'struct') return [[name, value]];
      const plain = (each: unknown): unknown => (isStruct(each) ? untagged(inner.fields, each) : each);
      return [[name, Array.isArray(value) ? value.map(plain) : plain(value)]];
    }),
  );
}

/** Counts how many elements of a request's arrays are looked at in one step of its work. */
export class ElementReads {
  most = 0;
  #inStep = 0;
  /** The handler is done: what it answers with is encoded in steps of the encoder's. */
  #isDone = false;
  readonly #views = new WeakMap<object, object>();

  /** The request, whose arrays tell when they are read. */
  watched<T>(value: T): T {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
    const known = this.#views.get(value);
    if (known !== undefined) return known as T;
    const isArray = Array.isArray(value);
    const view = new Proxy(value, {
      get: (target, name, receiver) => {
        if (isArray && typeof name === 'string' && /^\d/.test(name) && !this.#isDone) this.#inStep++;
        return this.watched(Reflect.get(target, name, receiver));
      },
    });
    this.#views.set(value, view);
    return view;
  }

  /** As the work, of which each step is looked at. */
  *counted<T>(work: Work<T>): Work<T> {
    this.#inStep = 0;
    let step = work.next();
    while (step.done !== true) {
      this.stepEnded();
      try {
        yield step.value;
      } catch (error) {
        this.#inStep = 0;
        step = work.throw(error);
        continue;
      }
      this.#inStep = 0;
      step = work.next();
    }
    this.stepEnded();
    this.#isDone = true;
    return step.value;
  }

  stepEnded(): void {
    this.most = Math.max(this.most, this.#inStep);
  }
}
