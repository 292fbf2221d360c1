import type { TurnTime, Work } from '../../base/turn-time.ts';
import type { Json } from '../../base/value-json.ts';
import type { ShardNote } from '../doors/shard-link.ts';
import { BrokerError } from '../errors.ts';
import type { Events } from '../events/events.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { TopologyCommands } from '../topology/topology-commands.ts';
import type { VirtualHost } from '../topology/virtual-host.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import {
  decodeBinding,
  decodeDeletion,
  decodeExchangeDeclaration,
  decodeQueueDeclaration,
  flag,
  number,
  optionalText,
  text,
} from './command-codec.ts';
import type { Owners } from './owners.ts';

export interface CommandServiceDeps {
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly commands: TopologyCommands<AnyQueue>;
  readonly owners: Owners;
  readonly events: Pick<Events, 'inSteps'>;
  readonly turnTime: TurnTime;
  /** Resolves when the changes so far are durable, and in effect everywhere, as shard `from` was told. */
  everywhere(from: number): Promise<void>;
}

/** Carries out the commands of other shards, where the metadata is. */
export class CommandService {
  readonly #deps: CommandServiceDeps;

  constructor(deps: CommandServiceDeps) {
    this.#deps = deps;
  }

  /** Null if it is no command. */
  answer(from: number, question: ShardNote): Promise<Json> | null {
    const work = this.#work(from, question);
    return work === null ? null : this.#run(from, question, work);
  }

  async #run(from: number, question: ShardNote, work: Work<Json>): Promise<Json> {
    const { events, turnTime } = this.#deps;
    const user = optionalText(question, 'user') ?? '';
    const answer = await turnTime.run(events.inSteps(user, work), {
      protocol: 'AMQP',
      request: question.op,
      user,
    });
    await this.#deps.everywhere(from);
    return answer;
  }

  /** A queue has nobody left, or was not used for too long. */
  removeQueue(note: ShardNote): void {
    const queue = this.#deps.vhosts.get(text(note, 'vhost'))?.findQueue(text(note, 'name'));
    if (queue?.id === number(note, 'id')) this.#deps.commands.removeQueue(queue);
  }

  #work(from: number, question: ShardNote): Work<Json> | null {
    const { commands } = this.#deps;
    const host = (): VirtualHost<AnyQueue> => this.#vhost(question);
    const done = (work: Work<unknown>): Work<Json> => withoutResult(work);
    const owner = (): object | null => this.#owner(question);
    switch (question.op) {
      case 'queue.declare':
        return this.#declareQueue(from, question);
      case 'queue.delete':
        return commands.deleteQueue(host(), text(question, 'name'), decodeDeletion(question), owner());
      case 'owner.gone':
        return this.#ownerGone(question);
      case 'stream.declare':
        return done(commands.declareStream(host(), decodeQueueDeclaration(question)));
      case 'stream.delete':
        return this.#deleteStream(question);
      case 'exchange.declare':
        return done(commands.declareExchange(host(), decodeExchangeDeclaration(question)));
      case 'exchange.delete':
        return done(commands.deleteExchange(host(), text(question, 'name'), flag(question, 'ifUnused')));
      case 'queue.bind':
        return done(commands.bindQueue(host(), decodeBinding(question), owner()));
      case 'queue.unbind':
        return done(commands.unbindQueue(host(), decodeBinding(question), owner()));
      case 'exchange.bind':
        return done(commands.bindExchange(host(), decodeBinding(question)));
      case 'exchange.unbind':
        return done(commands.unbindExchange(host(), decodeBinding(question)));
      default:
        return null;
    }
  }

  *#declareQueue(from: number, question: ShardNote): Work<Json> {
    const declaration = decodeQueueDeclaration(question);
    const newName = text(question, 'newName');
    yield* this.#deps.commands.declareQueue(
      this.#vhost(question),
      { ...declaration, shard: from, newName },
      this.#owner(question),
    );
    return newName;
  }

  *#deleteStream(question: ShardNote): Work<Json> {
    const vhost = this.#vhost(question);
    const stream = vhost.findStream(text(question, 'name'));
    if (stream === undefined) return 0;
    return yield* this.#deps.commands.deleteStream(vhost, stream, decodeDeletion(question));
  }

  *#ownerGone(question: ShardNote): Work<Json> {
    const owner = this.#deps.owners.ownerNamed(text(question, 'owner'));
    const vhost = this.#deps.vhosts.get(text(question, 'vhost'));
    if (vhost !== undefined) yield* this.#deps.commands.removeExclusiveQueues(vhost, owner);
    this.#deps.owners.forget(owner);
    return null;
  }

  #vhost(question: ShardNote): VirtualHost<AnyQueue> {
    const name = text(question, 'vhost');
    const vhost = this.#deps.vhosts.get(name);
    if (vhost === undefined) throw new BrokerError('not-found', `no vhost '${name}'`);
    return vhost;
  }

  #owner(question: ShardNote): object | null {
    const name = optionalText(question, 'owner');
    return name === null ? null : this.#deps.owners.ownerNamed(name);
  }
}

function* withoutResult(work: Work<unknown>): Work<Json> {
  yield* work;
  return null;
}
