import { createConnection, createServer, type Server, type Socket } from 'node:net';

const FRAME_METHOD = 1;
const FRAME_HEADER = 2;
const PREFIX_BYTES = 7;
const PROTOCOL_HEADER_BYTES = 8;

/** What one side sent. */
export class Recorded {
  /** Content headers, as they were on the wire. */
  readonly headers: Buffer[] = [];
  /** Methods as `class.method` in numbers. */
  readonly methods: string[] = [];
}

/** Stands between a client and the broker, and keeps what is said in both directions. */
export class Recorder {
  readonly sent = new Recorded();
  readonly received = new Recorded();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;

  constructor(url: string) {
    this.#target = new URL(url);
    this.#server = createServer((client) => this.#join(client));
  }

  /** The address for the client. */
  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${address.port}`;
    return url.href;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket): void {
    const broker = createConnection({ host: this.#target.hostname, port: Number(this.#target.port) });
    const directions = [
      [client, broker, new FrameSplitter(PROTOCOL_HEADER_BYTES, this.sent)],
      [broker, client, new FrameSplitter(0, this.received)],
    ] as const;
    for (const [from, to, splitter] of directions) {
      this.#sockets.add(from);
      from.on('data', (chunk) => {
        splitter.push(chunk);
        to.write(chunk);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  }
}

/**
 * Takes frames apart:
 *
 *     | type (1) | channel (2) | size (4) | payload (size) | end (1) |
 */
class FrameSplitter {
  readonly #recorded: Recorded;
  #skip: number;
  #rest = Buffer.alloc(0);

  constructor(skip: number, recorded: Recorded) {
    this.#skip = skip;
    this.#recorded = recorded;
  }

  push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#rest.length < this.#skip) return;
    this.#rest = this.#rest.subarray(this.#skip);
    this.#skip = 0;
    while (this.#rest.length >= PREFIX_BYTES) {
      const end = PREFIX_BYTES + this.#rest.readUInt32BE(3);
      if (this.#rest.length <= end) return;
      const payload = this.#rest.subarray(PREFIX_BYTES, end);
      if (this.#rest[0] === FRAME_HEADER) this.#recorded.headers.push(payload);
      if (this.#rest[0] === FRAME_METHOD)
        this.#recorded.methods.push(`${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`);
      this.#rest = this.#rest.subarray(end + 1);
    }
  }
}
