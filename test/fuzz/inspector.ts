interface Called<T> {
  readonly result: { readonly value: T };
  readonly exceptionDetails?: {
    readonly text: string;
    readonly exception?: { readonly description?: string };
  };
}

const GROUP = 'fuzz';

/** A process seen through Node's inspector: its heap after a collection, and how many objects of a class there are. */
export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #sent = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const answer: Answer & { id: number } = JSON.parse(String(data));
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** `url` is what `node --inspect` prints. */
  static connect(url: string): Promise<Inspector> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.addEventListener('open', () => resolve(new Inspector(socket)));
      socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)));
    });
  }

  close(): void {
    this.#socket.close();
  }

  /** After a collection: what is used, with buffers, and what the engine has set aside for its heap. */
  async heap(): Promise<{ usedBytes: number; committedBytes: number }> {
    await this.#send('HeapProfiler.collectGarbage');
    const {
      usedSize,
      totalSize,
      backingStorageSize = 0,
    } = await this.#send<HeapUsage>('Runtime.getHeapUsage');
    return { usedBytes: usedSize + backingStorageSize, committedBytes: totalSize };
  }

  /** What a function returns, as JSON, when it is called with an array of all objects for `this`. */
  async ofAllObjects<T>(fn: string): Promise<T> {
    const { result: prototype } = await this.#send<Evaluated>('Runtime.evaluate', {
      expression: 'Object.prototype',
      objectGroup: GROUP,
    });
    const { objects } = await this.#send<{ objects: { objectId: string } }>('Runtime.queryObjects', {
      prototypeObjectId: prototype.objectId,
      objectGroup: GROUP,
    });
    const { result, exceptionDetails } = await this.#send<Called<T>>('Runtime.callFunctionOn', {
      functionDeclaration: fn,
      objectId: objects.objectId,
      returnByValue: true,
    });
    await this.#send('Runtime.releaseObjectGroup', { objectGroup: GROUP });
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async #send<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#sent;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result as T;
  }
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface HeapUsage {
  readonly usedSize: number;
  readonly totalSize: number;
  readonly backingStorageSize?: number;
}

interface Evaluated {
  readonly result: { readonly objectId: string };
}
