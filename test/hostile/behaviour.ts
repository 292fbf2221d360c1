/** What a behaviour acts on: a broker that serves others too. */
export interface Target {
  readonly amqpPort: number;
  readonly amqpsPort: number;
  readonly kafkaPort: number;
  /** An ordinary user, without tags, who may do everything in the virtual host `/`. */
  readonly user: string;
  readonly password: string;
  /** Aborted when the time is over. */
  readonly signal: AbortSignal;
}

/** One thing that a client does which must not hurt others. */
export interface Behaviour {
  readonly name: string;
  /** What it does, for the report. */
  readonly title: string;
  /** Flags of the broker while it lasts; after the restart it has none of them. */
  readonly flags?: readonly string[];
  /** With these flags nobody can be served: others come after the restart alone. */
  readonly blocksAll?: boolean;
  /** Goes on until the signal, or until there is no more to do. What the broker refuses or ends is no error. */
  run(target: Target): Promise<void>;
}

/** Calls `once` again and again, so many at a time, until the signal; what it throws ends that turn alone. */
export async function repeatedly(
  { signal }: Target,
  atATime: number,
  once: (turn: number) => Promise<void>,
): Promise<void> {
  let turn = 0;
  const loop = async () => {
    while (!signal.aborted) {
      await once(turn++).catch(() => undefined);
      // What fails at once must not keep this process from everything else.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: atATime }, loop));
}

/** Resolves when the signal is given. */
export function untilOver({ signal }: Target): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
