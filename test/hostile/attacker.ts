import { constants, setPriority } from 'node:os';
import { BEHAVIOURS } from './behaviours/table.ts';

/** Runs one behaviour in a process of its own. */
export interface AttackOrder {
  readonly name: string;
  readonly amqpPort: number;
  readonly amqpsPort: number;
  readonly kafkaPort: number;
  readonly user: string;
  readonly password: string;
  readonly ms: number;
}

// It must not take from the broker, or from the canary, the processor on which they run.
setPriority(constants.priority.PRIORITY_LOW);
process.on('uncaughtException', (error) => process.send?.({ error: String(error) }));

process.once('message', async ({ name, ms, ...target }: AttackOrder) => {
  const behaviour = BEHAVIOURS.find((each) => each.name === name);
  if (behaviour === undefined) throw new Error(`there is no behaviour '${name}'`);
  const signal = AbortSignal.timeout(ms);
  await behaviour.run({ ...target, signal }).catch((error) => process.send?.({ error: String(error) }));
  process.exit();
});
process.on('disconnect', () => process.exit());
