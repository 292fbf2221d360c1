"""What an application relies on, with pika: each function is one thing that it does, and checks that it came out so.

The broker is at AMQP_URL. The program ends at the first thing that is not as it should be. All of it holds for
RabbitMQ too.
"""

import datetime
import decimal
import inspect
import os
import time

import pika

URL = os.environ.get('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672/').rstrip('/') + '/%2F'
PATIENCE_S = 10


def check(what, condition, *details):
    if not condition:
        raise SystemExit(f'FAILED {what}: {", ".join(map(str, details))}')


def equal(what, actual, expected):
    check(what, actual == expected, f'expected {expected!r}', f'got {actual!r}')


def get(channel, queue):
    """Takes the next message of a queue, and waits for it if need be."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is not None:
            return method, properties, body
        time.sleep(0.01)
    check('a message comes', False, queue)


def drain(channel, queue):
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


def exclusive_queue(channel, **arguments):
    return channel.queue_declare('', exclusive=True, arguments=arguments).method.queue


def publish_with_confirms(connection):
    """a topic exchange routes to the queue that is bound, and every message is confirmed"""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare('tour.orders', 'topic', durable=True)
    channel.queue_declare('tour.invoices', durable=True)
    channel.queue_bind('tour.invoices', 'tour.orders', 'order.*.paid')
    persistent = pika.BasicProperties(delivery_mode=2, content_type='text/plain')
    # Returns when the broker has confirmed, and raises if it refuses.
    for number in range(10):
        channel.basic_publish('tour.orders', f'order.{number}.paid', str(number), persistent)
    channel.basic_publish('tour.orders', 'order.1.cancelled', 'for nobody', persistent)
    equal('the bodies', drain(channel, 'tour.invoices'), [b'%d' % number for number in range(10)])
    channel.queue_delete('tour.invoices')
    channel.exchange_delete('tour.orders')


def acknowledge_and_requeue(connection):
    """what a consumer gives back comes again, marked as redelivered; what it acknowledges is gone"""
    channel = connection.channel()
    queue = exclusive_queue(channel)
    for body in ('first', 'second'):
        channel.basic_publish('', queue, body)
    channel.basic_qos(prefetch_count=1)
    seen = []
    for method, _, body in channel.consume(queue, inactivity_timeout=PATIENCE_S):
        check('a delivery', method is not None, seen)
        seen.append((body, method.redelivered))
        if len(seen) == 1:
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            channel.basic_ack(method.delivery_tag)
        if len(seen) == 3:
            break
    channel.cancel()
    equal('the deliveries', seen, [(b'first', False), (b'first', True), (b'second', False)])
    equal('what is left', drain(channel, queue), [])


def headers_round_trip(connection):
    """headers of every type that pika writes come out as they went in"""
    headers = {
        'text': 'größer als 日本',
        'bytes': b'\x00\x01\xff',
        'yes': True,
        'no': False,
        'int': -2147483648,
        'long': 2**40,
        'decimal': decimal.Decimal('314.15'),
        'timestamp': datetime.datetime(2023, 11, 14, 22, 13, 20),
        'nothing': None,
        'array': ['a', 1, [True, None], {'inner': -1}],
        'table': {'deeper': {'deepest': [1, 2, 3]}, 'text': ''},
    }
    properties = pika.BasicProperties(headers=headers, content_type='application/json', message_id='7', type='kind')
    channel = connection.channel()
    queue = exclusive_queue(channel)
    channel.basic_publish('', queue, '{}', properties)
    received = get(channel, queue)[1]
    # Since pika 1.4 a timestamp knows its zone.
    received.headers['timestamp'] = received.headers['timestamp'].replace(tzinfo=None)
    equal('the properties', received, properties)


def transactions(connection):
    """a transaction that is rolled back leaves nothing, and one that is committed all"""
    channel, watcher = connection.channel(), connection.channel()
    queue = exclusive_queue(channel)
    count = lambda: watcher.queue_declare(queue, passive=True).method.message_count  # noqa: E731
    channel.tx_select()
    channel.basic_publish('', queue, 'rolled back')
    channel.tx_rollback()
    channel.basic_publish('', queue, 'one')
    channel.basic_publish('', queue, 'two')
    equal('before the commit', count(), 0)
    channel.tx_commit()
    equal('after the commit', count(), 2)
    method, _, body = channel.basic_get(queue)
    channel.basic_ack(method.delivery_tag)
    channel.tx_commit()
    equal('what was acknowledged', body, b'one')
    equal('what is left', drain(watcher, queue), [b'two'])


def serve(connection, queue):
    """The other side of a remote call: answers each request with its body in capitals."""
    channel = connection.channel()

    def answer(_, method, request, body):
        reply = pika.BasicProperties(correlation_id=request.correlation_id)
        channel.basic_publish('', request.reply_to, body.upper(), reply)
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(queue, answer)


def call(connection, channel, requests, reply_to):
    """Sends a request and waits for the reply."""
    replies = []
    # To consume without acknowledgements first is what direct reply-to demands; it does no harm to a reply queue.
    channel.basic_consume(reply_to, lambda *reply: replies.append(reply), auto_ack=True)
    request = pika.BasicProperties(reply_to=reply_to, correlation_id='call 1')
    channel.basic_publish('', requests, 'question', request)
    deadline = time.monotonic() + PATIENCE_S
    while not replies and time.monotonic() < deadline:
        connection.process_data_events(time_limit=0.1)
    check('a reply', replies)
    _, _, properties, body = replies[0]
    return properties.correlation_id, body


def remote_call(connection):
    """a remote call is answered through a reply queue"""
    channel = connection.channel()
    requests = exclusive_queue(channel)
    serve(connection, requests)
    equal('the reply', call(connection, channel, requests, exclusive_queue(channel)), ('call 1', b'QUESTION'))


def remote_call_without_a_queue(connection):
    """a remote call is answered through direct reply-to"""
    channel = connection.channel()
    requests = exclusive_queue(channel)
    serve(connection, requests)
    equal('the reply', call(connection, channel, requests, 'amq.rabbitmq.reply-to'), ('call 1', b'QUESTION'))


def mandatory(connection):
    """a mandatory message that reaches no queue comes back"""
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        channel.basic_publish('amq.direct', 'tour.nowhere', 'come back', mandatory=True)
    except pika.exceptions.UnroutableError as error:
        (returned,) = error.messages
        equal('the code', (returned.method.reply_code, returned.method.reply_text), (312, 'NO_ROUTE'))
        equal('the message', (returned.method.routing_key, returned.body), ('tour.nowhere', b'come back'))
    else:
        check('it comes back', False)


def check_dead_letter(properties, queue, count=1):
    """The headers by which a message tells how it died."""
    headers = properties.headers
    (death,) = headers['x-death']
    equal('the reason', (death['reason'], death['count']), ('expired', count))
    equal('where it died', (death['queue'], death['exchange'], death['routing-keys']), (queue, '', [queue]))
    check('when', isinstance(death['time'], datetime.datetime), death)
    first = [headers[f'x-first-death-{what}'] for what in ('reason', 'queue', 'exchange')]
    equal('the first death', first, ['expired', queue, ''])
    return death


def dead_letters_by_queue_ttl(connection):
    """a message that outlives the time-to-live of its queue goes to the dead-letter exchange, and tells why"""
    channel = connection.channel()
    dead = exclusive_queue(channel)
    channel.queue_bind(dead, 'amq.direct', 'tour.dead')
    arguments = {
        'x-message-ttl': 50,
        'x-dead-letter-exchange': 'amq.direct',
        'x-dead-letter-routing-key': 'tour.dead',
    }
    queue = exclusive_queue(channel, **arguments)
    channel.basic_publish('', queue, 'late', pika.BasicProperties(headers={'mine': 1}))
    method, properties, body = get(channel, dead)
    equal('the dead letter', (method.exchange, method.routing_key, body), ('amq.direct', 'tour.dead', b'late'))
    equal('its own header', properties.headers['mine'], 1)
    check_dead_letter(properties, queue)
    equal('what is left', drain(channel, queue), [])


def dead_letters_by_expiration(connection):
    """a message with an expiration of its own dies alone, and loses it on the way"""
    channel = connection.channel()
    dead = exclusive_queue(channel)
    channel.exchange_declare('tour.dead', 'fanout', auto_delete=True)
    channel.queue_bind(dead, 'tour.dead')
    queue = exclusive_queue(channel, **{'x-dead-letter-exchange': 'tour.dead'})
    channel.basic_publish('', queue, 'short', pika.BasicProperties(expiration='50'))
    channel.basic_publish('', queue, 'long', pika.BasicProperties(expiration='60000'))
    method, properties, body = get(channel, dead)
    # Without x-dead-letter-routing-key a message keeps its own.
    equal('the dead letter', (method.exchange, method.routing_key, body), ('tour.dead', queue, b'short'))
    equal('its expiration', properties.expiration, None)
    equal('what it was', check_dead_letter(properties, queue)['original-expiration'], '50')
    equal('what is left', drain(channel, queue), [b'long'])


def priorities(connection):
    """a queue with priorities gives the most urgent message first"""
    channel = connection.channel()
    queue = exclusive_queue(channel, **{'x-max-priority': 5})
    for body, priority in (('none', None), ('low', 1), ('high', 5), ('low too', 1), ('beyond', 9)):
        channel.basic_publish('', queue, body, pika.BasicProperties(priority=priority))
    # More than the highest is the highest; none is the lowest.
    equal('the order', drain(channel, queue), [b'high', b'beyond', b'low', b'low too', b'none'])


def length_limit(connection):
    """a queue with a length limit drops the oldest"""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = exclusive_queue(channel, **{'x-max-length': 3, 'x-overflow': 'drop-head'})
    for number in range(5):
        channel.basic_publish('', queue, str(number))
    equal('what is left', drain(channel, queue), [b'2', b'3', b'4'])


def errors(connection):
    """an error closes its channel, says why, and leaves the connection usable"""
    channel = connection.channel()
    try:
        channel.queue_declare('tour.absent', passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        equal('the code', error.reply_code, 404)
        equal('the text', error.reply_text, "NOT_FOUND - no queue 'tour.absent' in vhost '/'")
    else:
        check('404', False)
    channel = connection.channel()
    channel.queue_declare('tour.kept', exclusive=True)
    try:
        channel.queue_declare('tour.kept', exclusive=True, arguments={'x-max-length': 1})
    except pika.exceptions.ChannelClosedByBroker as error:
        equal('the code', error.reply_code, 406)
        text = (
            "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'tour.kept' in vhost '/': "
            "received the value '1' of type 'signedint' but current is none"
        )
        equal('the text', error.reply_text, text)
    else:
        check('406', False)
    channel = connection.channel()
    channel.basic_publish('', 'tour.kept', 'still here')
    equal('the queue', get(channel, 'tour.kept')[2], b'still here')


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
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        step(connection)
    print('ok', inspect.getdoc(step))
