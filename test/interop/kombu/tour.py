"""What an application relies on, with kombu: each function is one thing that it does, and checks that it came out so.

The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
RabbitMQ too.
"""

import datetime
import decimal
import inspect
import os
import socket
import time
import uuid

import amqp
from kombu import Connection, Consumer, Exchange, Producer, Queue

# To kombu a / at the end is a virtual host without a name.
URL = os.environ.get('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672/').rstrip('/') + '//'
PATIENCE_S = 10


def check(what, condition, *details):
    if not condition:
        raise SystemExit(f'FAILED {what}: {", ".join(map(str, details))}')


def equal(what, actual, expected):
    check(what, actual == expected, f'expected {expected!r}', f'got {actual!r}')


def temporary_queue(channel, **arguments):
    """A queue that goes with its connection, or before that (so kombu has it) with its last consumer."""
    queue = Queue(f'tour.{uuid.uuid4()}', exclusive=True, queue_arguments=arguments)
    return queue.bind(channel)


def declared(queue):
    queue.declare()
    return queue


def get(queue):
    """Takes the next message of a queue, and waits for it if need be."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        message = queue.get(no_ack=True)
        if message is not None:
            return message
        time.sleep(0.01)
    check('a message comes', False, queue.name)


def drain(queue):
    bodies = []
    while (message := queue.get(no_ack=True)) is not None:
        bodies.append(message.payload)
    return bodies


def publish_with_confirms(connection):
    """a topic exchange routes to the queue that is bound, and every message is confirmed"""
    orders = Exchange('tour.orders', 'topic', durable=True)
    with connection.channel() as channel:
        invoices = declared(Queue('tour.invoices', orders, 'order.*.paid', durable=True).bind(channel))
        # With confirm_publish (see below) this returns when the broker has confirmed, and raises if it refuses.
        producer = Producer(channel, orders)
        for number in range(10):
            producer.publish({'number': number}, routing_key=f'order.{number}.paid', confirm_timeout=PATIENCE_S)
        producer.publish('for nobody', routing_key='order.1.cancelled')
        equal('the bodies', drain(invoices), [{'number': number} for number in range(10)])
        invoices.delete()
        orders.bind(channel).delete()


def acknowledge_and_requeue(connection):
    """what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone"""
    channel = connection.channel()
    queue = declared(temporary_queue(channel))
    producer = Producer(channel)
    for body in ('first', 'second'):
        producer.publish(body, routing_key=queue.name)
    seen = []

    def receive(message):
        seen.append((message.payload, message.delivery_info['redelivered']))
        if len(seen) == 1:
            message.requeue()
        else:
            message.ack()

    with Consumer(channel, [queue], on_message=receive, prefetch_count=1):
        while len(seen) < 3:
            connection.drain_events(timeout=PATIENCE_S)
        equal('what is left', drain(queue), [])
    equal('the deliveries', seen, [('first', False), ('first', True), ('second', False)])


def headers_round_trip(connection):
    """headers of every type that kombu writes come out as they went in"""
    headers = {
        'text': 'größer als 日本',
        'yes': True,
        'no': False,
        'int': -2147483647,
        'long': -(2**63),
        'double': 0.1,
        'decimal': decimal.Decimal('314.15'),
        'timestamp': datetime.datetime(2023, 11, 14, 22, 13, 20),
        'nothing': None,
        'array': ['a', 1, [True, None], {'inner': 0.25}],
        'table': {'deeper': {'deepest': [1, 2, 3]}, 'text': ''},
    }
    channel = connection.channel()
    queue = declared(temporary_queue(channel))
    Producer(channel).publish(b'\x00\xff', routing_key=queue.name, headers=headers, message_id='7', type='kind')
    message = get(queue)
    equal('the headers', message.headers, headers)
    equal('the body', message.body, b'\x00\xff')
    equal('the properties', (message.properties['message_id'], message.properties['type']), ('7', 'kind'))


def transactions(connection):
    """a transaction that is rolled back leaves nothing, and one that is committed all"""
    # Confirms and transactions exclude each other, so this is a connection without.
    with Connection(URL) as other:
        channel, watcher = other.channel(), other.channel()
        queue = declared(temporary_queue(channel))
        count = lambda: watcher.queue_declare(queue.name, passive=True).message_count  # noqa: E731
        producer = Producer(channel)
        channel.tx_select()
        producer.publish('rolled back', routing_key=queue.name)
        channel.tx_rollback()
        producer.publish('one', routing_key=queue.name)
        producer.publish('two', routing_key=queue.name)
        equal('before the commit', count(), 0)
        channel.tx_commit()
        equal('after the commit', count(), 2)
        message = queue.get()
        message.ack()
        channel.tx_commit()
        equal('what was acknowledged', message.payload, 'one')
        equal('what is left', drain(queue.bind(watcher)), ['two'])


def serve(channel, requests):
    """The other side of a remote call: answers each request with its body in capitals."""

    def answer(message):
        correlation_id = message.properties['correlation_id']
        reply_to = message.properties['reply_to']
        Producer(channel).publish(message.payload.upper(), routing_key=reply_to, correlation_id=correlation_id)
        message.ack()

    return Consumer(channel, [requests], on_message=answer)


def call(connection, channel, requests, replies):
    """Sends a request and waits for the reply."""
    inbox = []
    with Consumer(channel, [replies], on_message=inbox.append, no_ack=True):
        Producer(channel).publish(
            'question', routing_key=requests.name, reply_to=replies.name, correlation_id='call 1'
        )
        while not inbox:
            connection.drain_events(timeout=PATIENCE_S)
    return inbox[0].properties['correlation_id'], inbox[0].payload


def remote_call(connection):
    """a remote call is answered through a reply queue"""
    requests = declared(temporary_queue(connection.channel()))
    channel = connection.channel()
    with serve(connection.channel(), requests):
        reply = call(connection, channel, requests, declared(temporary_queue(channel)))
    equal('the reply', reply, ('call 1', 'QUESTION'))


def remote_call_without_a_queue(connection):
    """a remote call is answered through direct reply-to"""
    requests = declared(temporary_queue(connection.channel()))
    with serve(connection.channel(), requests):
        reply_to = Queue('amq.rabbitmq.reply-to', no_declare=True, no_ack=True)
        reply = call(connection, connection.channel(), requests, reply_to)
    equal('the reply', reply, ('call 1', 'QUESTION'))


def mandatory(connection):
    """a mandatory message that reaches no queue comes back"""
    returned = []
    producer = Producer(connection.channel(), on_return=lambda *args: returned.append(args))
    producer.publish('come back', exchange='amq.direct', routing_key='tour.nowhere', mandatory=True)
    # It comes before the confirm that publish has waited for.
    ((error, exchange, routing_key, message),) = returned
    equal('the code', (error.reply_code, error.reply_text.upper().endswith('NO_ROUTE')), (312, True))
    equal('the message', (exchange, routing_key, message.body), ('amq.direct', 'tour.nowhere', 'come back'))


def check_dead_letter(headers, queue):
    """The headers by which a message tells how it died."""
    (death,) = headers['x-death']
    equal('the reason', (death['reason'], death['count']), ('expired', 1))
    equal('where it died', (death['queue'], death['exchange'], death['routing-keys']), (queue, '', [queue]))
    check('when', isinstance(death['time'], datetime.datetime), death)
    first = [headers[f'x-first-death-{what}'] for what in ('reason', 'queue', 'exchange')]
    equal('the first death', first, ['expired', queue, ''])
    return death


def dead_letters_by_queue_ttl(connection):
    """a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why"""
    channel = connection.channel()
    dead = declared(temporary_queue(channel))
    dead.bind_to(Exchange('amq.direct'), 'tour.dead')
    arguments = {
        'x-message-ttl': 50,
        'x-dead-letter-exchange': 'amq.direct',
        'x-dead-letter-routing-key': 'tour.dead',
    }
    queue = declared(temporary_queue(channel, **arguments))
    Producer(channel).publish('late', routing_key=queue.name, headers={'mine': 1})
    message = get(dead)
    info = message.delivery_info
    equal('where it came', (info['exchange'], info['routing_key']), ('amq.direct', 'tour.dead'))
    equal('what came', (message.payload, message.headers['mine']), ('late', 1))
    check_dead_letter(message.headers, queue.name)
    equal('what is left', drain(queue), [])


def dead_letters_by_expiration(connection):
    """a message with an expiration of its own dies alone, and loses it on the way"""
    channel = connection.channel()
    exchange = Exchange('tour.dead', 'fanout', auto_delete=True, durable=False)
    dead = temporary_queue(channel)
    dead.exchange = exchange.bind(channel)
    dead.declare()
    queue = declared(temporary_queue(channel, **{'x-dead-letter-exchange': exchange.name}))
    producer = Producer(channel)
    producer.publish('short', routing_key=queue.name, expiration=0.05)
    producer.publish('long', routing_key=queue.name, expiration=60)
    message = get(dead)
    # Without x-dead-letter-routing-key a message keeps its own.
    equal('where it came', message.delivery_info['routing_key'], queue.name)
    equal('what came', (message.payload, 'expiration' in message.properties), ('short', False))
    equal('what it was', check_dead_letter(message.headers, queue.name)['original-expiration'], '50')
    equal('what is left', drain(queue), ['long'])


def priorities(connection):
    """a queue with priorities gives the most urgent message first"""
    channel = connection.channel()
    queue = Queue('tour.urgent', exclusive=True, max_priority=5).bind(channel)
    queue.declare()
    producer = Producer(channel)
    for body, priority in (('none', None), ('low', 1), ('high', 5), ('low too', 1), ('beyond', 9)):
        producer.publish(body, routing_key=queue.name, priority=priority)
    # More than the highest is the highest; none is the lowest.
    equal('the order', drain(queue), ['high', 'beyond', 'low', 'low too', 'none'])


def length_limit(connection):
    """a queue with a length limit drops the oldest"""
    channel = connection.channel()
    queue = declared(temporary_queue(channel, **{'x-max-length': 3, 'x-overflow': 'drop-head'}))
    for number in range(5):
        Producer(channel).publish(str(number), routing_key=queue.name)
    equal('what is left', drain(queue), ['2', '3', '4'])


def errors(connection):
    """an error closes its channel, says why, and leaves the connection usable"""
    channel = connection.channel()
    try:
        channel.queue_declare('tour.absent', passive=True)
    except amqp.NotFound as error:
        equal('the code', error.reply_code, 404)
        check('the text', "NOT_FOUND - no queue 'tour.absent' in vhost '/'" in str(error), error)
    else:
        check('404', False)
    kept = declared(Queue('tour.kept', exclusive=True).bind(connection.channel()))
    try:
        Queue('tour.kept', exclusive=True, max_length=1).bind(connection.channel()).declare()
    except amqp.PreconditionFailed as error:
        equal('the code', error.reply_code, 406)
        text = (
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "
            "received the value '1' of type 'signedint' but current is none"
        )
        check('the text', text in str(error), error)
    else:
        check('406', False)
    Producer(connection.channel()).publish('still here', routing_key='tour.kept')
    equal('the queue', get(kept).payload, 'still here')


for step in (
    publish_with_confirms,
    acknowledge_and_requeue,
    headers_round_trip,
    transactions,
    remote_call,
    remote_call_without_a_queue,
    mandatory,
    dead_letters_by_queue_ttl,
    dead_letters_by_expiration,
    priorities,
    length_limit,
    errors,
):
    with Connection(URL, transport_options={'confirm_publish': True}) as connection:
        try:
            step(connection)
        except socket.timeout:
            check(inspect.getdoc(step), False, f'nothing came for {PATIENCE_S} s')
    print('ok', inspect.getdoc(step))
