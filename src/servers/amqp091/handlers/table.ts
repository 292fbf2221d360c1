import { INTERNAL_USER } from '../../../broker/events/events.ts';
import type { Method, MethodName, MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';
import { basicAck, basicNack, basicReject } from './basic-ack.ts';
import { basicCancel } from './basic-cancel.ts';
import { basicConsume } from './basic-consume.ts';
import { basicGet } from './basic-get.ts';
import { basicQos } from './basic-qos.ts';
import { basicRecover, basicRecoverAsync } from './basic-recover.ts';
import { exchangeBind, exchangeUnbind, queueBind, queueUnbind } from './bindings.ts';
import { accessRequest, channelClose, channelFlow, channelOpen } from './channel-methods.ts';
import { confirmSelect } from './confirm-select.ts';
import { exchangeDeclare } from './exchange-declare.ts';
import { exchangeDelete } from './exchange-delete.ts';
import { queueDeclare } from './queue-declare.ts';
import { queueDelete } from './queue-delete.ts';
import { queuePurge } from './queue-purge.ts';
import { txCommit, txRollback, txSelect } from './tx.ts';

type Handler<N extends MethodName> = (channel: HandlerContext, method: MethodOf<N>) => void;

/** The methods of an open channel. basic.publish is read by `Publishing`, with its content. */
export const HANDLERS: { readonly [N in MethodName]?: Handler<N> } = {
  'channel.open': channelOpen,
  'channel.flow': channelFlow,
  'channel.close': channelClose,
  'access.request': accessRequest,
  'exchange.declare': exchangeDeclare,
  'exchange.delete': exchangeDelete,
  'exchange.bind': exchangeBind,
  'exchange.unbind': exchangeUnbind,
  'queue.declare': queueDeclare,
  'queue.bind': queueBind,
  'queue.unbind': queueUnbind,
  'queue.purge': queuePurge,
  'queue.delete': queueDelete,
  'basic.qos': basicQos,
  'basic.consume': basicConsume,
  'basic.cancel': basicCancel,
  'basic.get': basicGet,
  'basic.ack': basicAck,
  'basic.nack': basicNack,
  'basic.reject': basicReject,
  'basic.recover-async': basicRecoverAsync,
  'basic.recover': basicRecover,
  'confirm.select': confirmSelect,
  'tx.select': txSelect,
  'tx.commit': txCommit,
  'tx.rollback': txRollback,
};

export function handleMethod(channel: HandlerContext, method: Method): void {
  // By the type of the table, the handler under a method's name takes that method.
  const handler = HANDLERS[method.name] as ((channel: HandlerContext, method: Method) => void) | undefined;
  if (handler === undefined) throw new AmqpError('COMMAND_INVALID', 'unimplemented method');
  const { events } = channel.broker;
  events.actor = channel.connection.user;
  try {
    handler(channel, method);
  } finally {
    events.actor = INTERNAL_USER;
  }
}
