"""The round with pika's blocking adapter against the broker at AMQP_URL.

Every check is a function that gets a fresh connection; its docstring says what must hold. All of it holds for
RabbitMQ 3.10 too, which is how we know that the expectations are right.
"""

import contextlib
import inspect
import os
import struct
import sys
import traceback
import uuid

import pika
from pika import exceptions, spec

URL = os.environ.get('AMQP_URL', 'amqp://guest:guest@127.0.0.1:5672/')
PERSISTENT = pika.BasicProperties(delivery_mode=2)
LARGE = bytes(range(256)) * 20_000  # 5 MB


def connect(**overrides):
    parameters = pika.URLParameters(URL.rstrip('/') + '/%2F')
    for name, value in overrides.items():
        setattr(parameters, name, value)
    return pika.BlockingConnection(parameters)


def unique(kind):
    return f'interop.{kind}.{uuid.uuid4().hex[:12]}'


def equal(actual, expected):
    assert actual == expected, f'expected {expected!r}, got {actual!r}'


def exclusive_queue(channel):
    return channel.queue_declare('', exclusive=True).method.queue


def publish_all(channel, queue, bodies):
    for body in bodies:
        channel.basic_publish('', queue, body)


def drain(channel, queue):
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return bodies
        bodies.append(body)


def take(connection, inbox, count):
    """Waits until the inbox has so many messages."""
    for _ in range(100):
        if len(inbox) >= count:
            return
        connection.process_data_events(time_limit=0.1)
    raise AssertionError(f'{len(inbox)} messages came, {count} were expected')


@contextlib.contextmanager
def closes_channel(connection, code, text):
    """The channel given must end so; the connection goes on."""
    channel = connection.channel()
    try:
        yield channel
    except exceptions.ChannelClosedByBroker as error:
        equal(error.reply_code, code)
        assert text in error.reply_text, error.reply_text
    else:
        raise AssertionError(f'no error {code} {text}')
    connection.channel().exchange_declare('amq.direct', passive=True)


def declare_queues(connection):
    """Queues of every kind can be declared, declared again and looked for; without a name they get one."""
    channel = connection.channel()
    for options in ({'durable': True}, {}, {'durable': True, 'auto_delete': True}, {'exclusive': True}):
        name = unique('declared')
        for _ in range(2):
            declared = channel.queue_declare(name, **options).method
            equal((declared.queue, declared.message_count, declared.consumer_count), (name, 0, 0))
        channel.queue_declare(name, passive=True)
        equal(channel.queue_delete(name).method.message_count, 0)
    assert exclusive_queue(channel).startswith('amq.gen-')


def last_consumer_and_connection(connection):
    """An auto-delete queue goes with its last consumer, an exclusive one with its connection."""
    channel = connection.channel()
    name = unique('auto-delete')
    channel.queue_declare(name, auto_delete=True)
    channel.basic_cancel(channel.basic_consume(name, lambda *_: None))
    with closes_channel(connection, 404, f"NOT_FOUND - no queue '{name}' in vhost '/'") as other:
        other.queue_declare(name, passive=True)
    owner = connect()
    queue = exclusive_queue(owner.channel())
    owner.close()
    with closes_channel(connection, 404, f"NOT_FOUND - no queue '{queue}' in vhost '/'") as other:
        other.queue_declare(queue, passive=True)


def exchanges_route(connection):
    """Direct, fanout, topic and headers exchanges, and exchanges bound to exchanges, reach the right queues."""
    channel = connection.channel()
    channel.confirm_delivery()
    names = {}
    for kind in ('direct', 'fanout', 'topic', 'headers'):
        names[kind] = unique(kind)
        channel.exchange_declare(names[kind], kind)
    queues = {kind: exclusive_queue(channel) for kind in names}
    channel.queue_bind(queues['direct'], names['direct'], 'red')
    channel.queue_bind(queues['fanout'], names['fanout'])
    channel.queue_bind(queues['topic'], names['topic'], 'a.*.#')
    channel.queue_bind(
        queues['headers'], names['headers'], arguments={'x-match': 'all', 'shape': 'round', 'size': 3}
    )
    for key in ('red', 'blue'):
        channel.basic_publish(names['direct'], key, key)
    for key in ('a', 'a.b', 'a.b.c', 'b.a'):
        channel.basic_publish(names['topic'], key, key)
    for size in (3, 4):
        properties = pika.BasicProperties(headers={'shape': 'round', 'size': size, 'more': None})
        channel.basic_publish(names['headers'], 'any', f'{size}', properties)
    channel.exchange_bind(names['fanout'], names['direct'], 'red')
    channel.basic_publish(names['direct'], 'red', 'onward')
    equal(drain(channel, queues['direct']), [b'red', b'onward'])
    equal(drain(channel, queues['topic']), [b'a.b', b'a.b.c'])
    equal(drain(channel, queues['headers']), [b'3'])
    equal(drain(channel, queues['fanout']), [b'onward'])
    channel.exchange_unbind(names['fanout'], names['direct'], 'red')
    channel.queue_unbind(queues['direct'], names['direct'], 'red')
    channel.basic_publish(names['direct'], 'red', 'nowhere')
    equal(drain(channel, queues['fanout']) + drain(channel, queues['direct']), [])
    for name in names.values():
        channel.exchange_delete(name)


def confirmed_in_order(connection):
    """Everything that is confirmed is delivered in order, persistent or not."""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = unique('durable')
    channel.queue_declare(queue, durable=True)
    sent = [f'message {i}'.encode() for i in range(100)]
    for i, body in enumerate(sent):
        channel.basic_publish('', queue, body, PERSISTENT if i % 2 == 0 else None)
    got = []
    channel.basic_qos(prefetch_count=7)
    for method, _, body in channel.consume(queue, inactivity_timeout=10):
        assert method is not None, f'only {len(got)} messages came'
        got.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(got) == len(sent):
            break
    equal(got, sent)
    channel.cancel()
    channel.queue_delete(queue)


def prefetch(connection):
    """A consumer has at most its prefetch unacknowledged; an acknowledgement of several makes room for as many."""
    channel = connection.channel()
    queue = exclusive_queue(channel)
    publish_all(channel, queue, ['a', 'b', 'c', 'd', 'e'])
    inbox = []
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume(queue, lambda _, method, __, body: inbox.append((method.delivery_tag, body)))
    take(connection, inbox, 2)
    connection.process_data_events(time_limit=0.1)
    equal(inbox, [(1, b'a'), (2, b'b')])
    channel.basic_ack(2, multiple=True)
    take(connection, inbox, 4)
    connection.process_data_events(time_limit=0.1)
    equal([body for _, body in inbox], [b'a', b'b', b'c', b'd'])


def requeue_and_reject(connection):
    """What is given back returns to its place, marked as redelivered; what is rejected is gone."""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = exclusive_queue(channel)
    publish_all(channel, queue, ['a', 'b', 'c', 'd'])
    tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(2)]
    channel.basic_nack(tags[1], requeue=True)
    channel.basic_nack(tags[0], requeue=True)
    again = [channel.basic_get(queue) for _ in range(3)]
    equal(
        [(body, method.redelivered) for method, _, body in again],
        [(b'a', True), (b'b', True), (b'c', False)],
    )
    channel.basic_reject(again[0][0].delivery_tag, requeue=False)
    channel.basic_nack(again[2][0].delivery_tag, multiple=True, requeue=True)
    equal(drain(channel, queue), [b'b', b'c', b'd'])


def recover_and_cancel(connection):
    """Recover gives back what the channel holds; a cancelled consumer gets no more; get says what is left."""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = exclusive_queue(channel)
    equal(channel.basic_get(queue), (None, None, None))
    publish_all(channel, queue, ['a', 'b'])
    equal(channel.basic_get(queue)[0].message_count, 1)
    channel.basic_recover(requeue=True)
    inbox = []
    tag = channel.basic_consume(queue, lambda _, method, __, body: inbox.append((body, method.redelivered)))
    take(connection, inbox, 2)
    equal(inbox, [(b'a', True), (b'b', False)])
    equal(channel.basic_cancel(tag), [])
    publish_all(channel, queue, ['c'])
    equal(channel.basic_get(queue)[2], b'c')


def cancelled_by_broker(connection):
    """Consumers are told when their queue is deleted."""
    channel = connection.channel()
    queue = exclusive_queue(channel)
    cancelled = []
    channel.add_on_cancel_callback(cancelled.append)
    tag = channel.basic_consume(queue, lambda *_: None)
    connection.channel().queue_delete(queue)
    take(connection, cancelled, 1)
    equal(cancelled[0].method.consumer_tag, tag)


def mandatory(connection):
    """A mandatory message that reaches no queue comes back with 312 NO_ROUTE."""
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish('amq.direct', 'nowhere', 'dropped')
    try:
        channel.basic_publish('amq.direct', 'nowhere', 'come back', mandatory=True)
    except exceptions.UnroutableError as error:
        (message,) = error.messages
        equal((message.method.reply_code, message.method.reply_text, message.body), (312, 'NO_ROUTE', b'come back'))
    else:
        raise AssertionError('it did not come back')


def transactions(connection):
    """A transaction is nothing until it is committed, and nothing if it is rolled back."""
    channel, watcher = connection.channel(), connection.channel()
    watcher.confirm_delivery()
    one, two = exclusive_queue(watcher), exclusive_queue(watcher)
    publish_all(watcher, one, ['a', 'b'])
    count = lambda queue: watcher.queue_declare(queue, passive=True).method.message_count  # noqa: E731
    equal(count(one), 2)
    channel.tx_select()
    channel.basic_ack(channel.basic_get(one)[0].delivery_tag)
    publish_all(channel, two, ['rolled back'])
    channel.tx_rollback()
    channel.basic_recover(requeue=True)
    method, _, body = channel.basic_get(one)
    equal((body, method.redelivered, count(two)), (b'a', True, 0))
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish('', one, 'c', PERSISTENT)
    channel.basic_publish('', two, 'c', PERSISTENT)
    equal((count(one), count(two)), (1, 0))
    channel.tx_commit()
    channel.close()
    equal((drain(watcher, one), drain(watcher, two)), ([b'b', b'c'], [b'c']))


def purge_and_delete(connection):
    """Purging and deleting count what is gone, and refuse when they were told to."""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = unique('kept')
    channel.queue_declare(queue)
    publish_all(channel, queue, ['held', 'b', 'c'])
    tag = channel.basic_get(queue)[0].delivery_tag
    equal(channel.queue_purge(queue).method.message_count, 2)
    channel.basic_nack(tag, requeue=True)
    publish_all(channel, queue, ['d'])
    text = f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' "
    with closes_channel(connection, 406, text + 'not empty') as other:
        other.queue_delete(queue, if_empty=True)
    channel.basic_consume(queue, lambda *_: None, consumer_tag='holder')
    with closes_channel(connection, 406, text + 'in use') as other:
        other.queue_delete(queue, if_unused=True)
    channel.close()
    channel = connection.channel()
    equal(channel.queue_delete(queue, if_unused=True).method.message_count, 2)
    equal(channel.queue_delete(queue).method.message_count, 0)


# Every field type of RabbitMQ, those that pika cannot write too: name, letter, bytes.
FIELDS = (
    ('true', b't', b'\x01'),
    ('int8', b'b', b'\x80'),
    ('uint8', b'B', b'\xff'),
    ('int16', b's', b'\x80\x00'),
    ('uint16', b'u', b'\xff\xff'),
    ('int32', b'I', b'\x80\x00\x00\x00'),
    ('uint32', b'i', b'\xff\xff\xff\xff'),
    ('int64', b'l', b'\x80' + b'\x00' * 7),
    ('float', b'f', struct.pack('>f', 0.5)),
    ('double', b'd', struct.pack('>d', 0.1)),
    ('decimal', b'D', b'\x02' + struct.pack('>I', 31415)),
    ('text', b'S', struct.pack('>I', 7) + 'größe'.encode()),
    ('timestamp', b'T', struct.pack('>Q', 1_700_000_000)),
    ('nothing', b'V', b''),
    ('bytes', b'x', struct.pack('>I', 3) + b'\x00\x01\xff'),
    ('array', b'A', struct.pack('>I', 4) + b'b\x01t\x00'),
    ('table', b'F', struct.pack('>I', 7) + b'\x01nV' + b'\x01mt\x01'),
)


def field_table():
    fields = b''.join(bytes([len(name)]) + name.encode() + letter + value for name, letter, value in FIELDS)
    return struct.pack('>I', len(fields)) + fields


class RawProperties(pika.BasicProperties):
    """Properties with bytes of our own: a content-type and headers."""

    BYTES = (
        struct.pack('>H', spec.BasicProperties.FLAG_CONTENT_TYPE | spec.BasicProperties.FLAG_HEADERS)
        + b'\x0atext/plain'
        + field_table()
    )

    def encode(self):
        return [self.BYTES]


def headers(connection):
    """Headers of every field type come out as they went in, byte for byte, pushed and fetched."""
    received = []
    decode = spec.BasicProperties.decode

    def recording_decode(self, encoded, offset=0):
        # pika before 1.4 cannot read some of the letters; only the bytes matter here.
        received.append(bytes(encoded[offset : offset + len(RawProperties.BYTES)]))
        return self

    channel = connection.channel()
    queue = exclusive_queue(channel)
    spec.BasicProperties.decode = recording_decode
    try:
        for _ in range(2):
            channel.basic_publish('', queue, b'x', RawProperties())
        assert channel.basic_get(queue, auto_ack=True)[0] is not None
        inbox = []
        channel.basic_consume(queue, lambda *_: inbox.append(1), auto_ack=True)
        take(connection, inbox, 1)
    finally:
        spec.BasicProperties.decode = decode
    equal(received, [RawProperties.BYTES] * 2)


def properties(connection):
    """All properties of a message arrive."""
    sent = pika.BasicProperties(
        content_type='application/json',
        content_encoding='utf-8',
        headers={'a': 1, 'b': ['x', True, None], 'c': {'d': 'e'}},
        delivery_mode=2,
        priority=5,
        correlation_id='größer',
        reply_to='there',
        expiration='60000',
        message_id='1',
        timestamp=1_700_000_000,
        type='kind',
        user_id='guest',
        app_id='interop',
        cluster_id='none',
    )
    channel = connection.channel()
    queue = exclusive_queue(channel)
    channel.basic_publish('', queue, b'x', sent)
    equal(channel.basic_get(queue, auto_ack=True)[1], sent)


def large_message(connection):
    """A body of many frames and an empty one arrive whole."""
    channel = connection.channel()
    channel.confirm_delivery()
    queue = exclusive_queue(channel)
    for body in (LARGE, b''):
        channel.basic_publish('', queue, body, PERSISTENT)
    inbox = []
    channel.basic_consume(queue, lambda _, __, ___, body: inbox.append(body), auto_ack=True)
    take(connection, inbox, 2)
    assert inbox == [LARGE, b''], [len(body) for body in inbox]


def refused_not_found(connection):
    """404 for what is not there."""
    queue = "NOT_FOUND - no queue 'absent' in vhost '/'"
    exchange = "NOT_FOUND - no exchange 'absent' in vhost '/'"
    with closes_channel(connection, 404, queue) as channel:
        channel.queue_declare('absent', passive=True)
    with closes_channel(connection, 404, queue) as channel:
        channel.basic_consume('absent', lambda *_: None)
    with closes_channel(connection, 404, queue) as channel:
        channel.basic_get('absent')
    with closes_channel(connection, 404, exchange) as channel:
        channel.exchange_declare('absent', passive=True)
    with closes_channel(connection, 404, exchange) as channel:
        channel.confirm_delivery()
        channel.basic_publish('absent', 'key', 'x')


def refused_access(connection):
    """403 for names that belong to the broker, and for an exclusive consumer beside another; 405 for others' queues."""
    with closes_channel(connection, 403, "ACCESS_REFUSED - queue name 'amq.ours' contains reserved prefix") as channel:
        channel.queue_declare('amq.ours')
    with closes_channel(connection, 403, 'ACCESS_REFUSED - operation not permitted on the default exchange') as channel:
        channel.exchange_delete('')
    holder = connection.channel()
    queue = exclusive_queue(holder)
    holder.basic_consume(queue, lambda *_: None)
    with closes_channel(connection, 403, f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use") as channel:
        channel.basic_consume(queue, lambda *_: None, exclusive=True)
    other = connect()
    text = f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'"
    with closes_channel(other, 405, text) as channel:
        channel.queue_declare(queue, passive=True)
    other.close()


def refused_precondition(connection):
    """406 for a declare that differs, an unknown delivery tag, and confirms on a channel with transactions."""
    queue = unique('kept')
    connection.channel().queue_declare(queue)
    text = f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': received 'true' but current is 'false'"
    with closes_channel(connection, 406, text) as channel:
        channel.queue_declare(queue, durable=True)
    with closes_channel(connection, 406, 'PRECONDITION_FAILED - unknown delivery tag 7') as channel:
        channel.basic_ack(7)
        channel.queue_declare(queue, passive=True)
    with closes_channel(connection, 406, 'PRECONDITION_FAILED - cannot switch from tx to confirm mode') as channel:
        channel.tx_select()
        channel.confirm_delivery()
    connection.channel().queue_delete(queue)


def refused_connection(connection):
    """530 for a virtual host that is not there and a consumer tag used twice; 403 for a wrong password."""
    try:
        connect(virtual_host='nowhere')
    except exceptions.ProbableAccessDeniedError as error:
        assert "(530) 'NOT_ALLOWED - vhost nowhere not found'" in str(error), error
    else:
        raise AssertionError('a connection to a virtual host that is not there')
    try:
        connect(credentials=pika.PlainCredentials('guest', 'wrong'))
    except exceptions.ProbableAuthenticationError as error:
        assert 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN' in str(error), error
    else:
        raise AssertionError('a connection with a wrong password')
    # pika itself refuses a tag used twice, so the method is sent beneath it.
    other = connect()
    channel = other.channel()
    queue = exclusive_queue(channel)
    channel.basic_consume(queue, lambda *_: None, consumer_tag='twice')
    channel._impl._send_method(spec.Basic.Consume(queue=queue, consumer_tag='twice'))
    try:
        other.process_data_events(time_limit=5)
    except exceptions.ConnectionClosedByBroker as error:
        equal((error.reply_code, error.reply_text), (530, "NOT_ALLOWED - attempt to reuse consumer tag 'twice'"))
    else:
        raise AssertionError('a consumer tag could be used twice')


CHECKS = (
    declare_queues,
    last_consumer_and_connection,
    exchanges_route,
    confirmed_in_order,
    prefetch,
    requeue_and_reject,
    recover_and_cancel,
    cancelled_by_broker,
    mandatory,
    transactions,
    purge_and_delete,
    headers,
    properties,
    large_message,
    refused_not_found,
    refused_access,
    refused_precondition,
    refused_connection,
)


def main():
    failures = 0
    for check in CHECKS:
        connection = connect()
        try:
            check(connection)
            print('ok     ', inspect.getdoc(check))
        except Exception:
            failures += 1
            print('FAILED ', inspect.getdoc(check))
            traceback.print_exc(file=sys.stdout)
        with contextlib.suppress(Exception):
            connection.close()
    print(f'pika {pika.__version__}:', f'{failures} checks failed' if failures else 'all checks passed')
    return 1 if failures else 0


sys.exit(main())
