import type { Work } from '../../../src/base/turn-time.ts';
import type { Broker } from '../../../src/broker/broker.ts';
import { BrokerError } from '../../../src/broker/errors.ts';
import type { BindingRequest } from '../../../src/broker/topology/binding-commands.ts';
import { HistoryError } from '../expected-queue.ts';
import { bindingText, type Change } from './expected-topology.ts';
import type { ShardsRun } from './shards-run.ts';

/** What clients may be told, as others do the same at the same time. */
const REFUSALS = ['not-found', 'precondition-failed', 'resource-short'];

export function declareQueue(
  run: ShardsRun,
  shard: number,
  name: string,
  durable: boolean,
  where: number | null,
): void {
  const declaration = {
    name,
    durable,
    exclusive: false,
    autoDelete: false,
    arguments: where === null ? {} : { 'x-shard': where },
    shard,
  };
  const what = `declare ${durable ? '' : 'transient '}queue ${name}${where === null ? '' : ` in ${where}`}`;
  const work = ({ commands }: Broker) => commands.declareQueue(run.shards.vhost(shard), declaration, null);
  command(
    run,
    shard,
    what,
    name,
    work,
    (change) => durable && change.op === 'queue.declare' && change.name === name,
  );
}

export function deleteQueue(run: ShardsRun, shard: number, name: string): void {
  const conditions = { ifUnused: false, ifEmpty: false };
  const work = ({ commands }: Broker) =>
    commands.deleteQueue(run.shards.vhost(shard), name, conditions, null);
  command(
    run,
    shard,
    `delete queue ${name}`,
    name,
    work,
    (change) => change.op === 'queue.delete' && change.name === name,
  );
}

export function bind(run: ShardsRun, shard: number, request: BindingRequest, isBound: boolean): void {
  const text = bindingText(request);
  const op = isBound ? 'binding.add' : 'binding.remove';
  const work = ({ commands }: Broker): Work<void> => {
    const vhost = run.shards.vhost(shard);
    return isBound ? commands.bindQueue(vhost, request, null) : commands.unbindQueue(vhost, request, null);
  };
  command(run, shard, `${op} ${text}`, text, work, (change) => change.op === op && change.name === text);
}

/** Commands that are not answered, by the queue or binding that they are about: whose change is seen is not known where there are several. */
const asking = new WeakMap<ShardsRun, Map<string, Asking[]>>();

interface Asking {
  isAlone: boolean;
}

function begin(run: ShardsRun, subject: string): Asking {
  const bySubject = asking.get(run) ?? new Map<string, Asking[]>();
  asking.set(run, bySubject);
  const others = bySubject.get(subject) ?? [];
  const own = { isAlone: others.length === 0 };
  for (const each of others) each.isAlone = false;
  bySubject.set(subject, [...others, own]);
  return own;
}

function end(run: ShardsRun, subject: string, own: Asking): void {
  const bySubject = asking.get(run);
  const others = bySubject?.get(subject)?.filter((each) => each !== own) ?? [];
  bySubject?.set(subject, others);
}

/** A client of this shard asks for it. When it is answered, it is durable, and so in all shards, unless something came after it. */
function command(
  run: ShardsRun,
  shard: number,
  what: string,
  subject: string,
  work: (broker: Broker) => Work<unknown>,
  isIts: (change: Change) => boolean,
): void {
  const { history, life } = run;
  const from = history.topology.changes.length;
  run.note(`in ${shard}: ${what}`);
  // What was asked before a power cut is never answered.
  const asked = `${life} ${subject}`;
  const own = begin(run, asked);
  const answered = (): void => {
    const { changes } = history.topology;
    const at = changes.findIndex((change, index) => index >= from && isIts(change));
    // Where others have changed the same meanwhile, it is not known whose change this is.
    const since = changes.slice(from).filter((change) => change.queue.name === changes[at]?.queue.name);
    if (since.length === 1 && own.isAlone) assertEverywhere(run, at);
  };
  ask(run.shards.brokers[shard], work).then(
    () => {
      end(run, asked, own);
      if (life !== run.life) return;
      run.note(`in ${shard}: ${what} is answered`);
      try {
        answered();
      } catch (error) {
        run.fail(error);
      }
    },
    (error) => {
      end(run, asked, own);
      if (life !== run.life) return;
      run.note(`in ${shard}: ${what} is refused: ${(error as Error).message}`);
      if (!(error instanceof BrokerError && REFUSALS.includes(error.kind))) run.fail(error);
    },
  );
}

async function ask(broker: Broker, work: (broker: Broker) => Work<unknown>): Promise<void> {
  await broker.shard.turnTime.run(work(broker));
  await broker.metadataIsSafe();
}

function assertEverywhere({ history, shards, isSynced }: ShardsRun, at: number): void {
  const { changes } = history.topology;
  const { op, name, queue, block } = changes[at];
  if (isSynced) history.confirm(0, block);
  if (changes.slice(at + 1).some((later) => later.queue === queue)) return;
  for (let shard = 0; shard < shards.count; shard++) {
    const vhost = shards.vhost(shard);
    const isThere = op.startsWith('queue')
      ? vhost.findQueue(queue.name)?.id === queue.id
      : vhost.listBindings().some((binding) => bindingText(binding) === name);
    if (isThere !== (op === 'queue.declare' || op === 'binding.add')) {
      throw new HistoryError(`${op} of ${name} was answered, and is not in effect in shard ${shard}`);
    }
  }
}
