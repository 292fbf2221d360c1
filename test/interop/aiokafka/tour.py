"""What an application relies on, with aiokafka: each function is one thing that it does, and checks that it came out so.

The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too.
"""

import asyncio
import contextlib
import inspect
import logging
import os
import sys
import traceback
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced, TopicAlreadyExistsError

BOOTSTRAP = os.environ.get('KAFKA_BOOTSTRAP', '127.0.0.1:9092')
SASL_BOOTSTRAP = os.environ.get('KAFKA_SASL_BOOTSTRAP')
PATIENCE_S = 20


def check(what, condition, *details):
    if not condition:
        raise AssertionError(f'{what}: {", ".join(map(str, details))}')


def equal(what, actual, expected):
    check(what, actual == expected, f'expected {expected!r}', f'got {actual!r}')


async def refused(what, error, call):
    try:
        await call
    except error:
        return
    raise AssertionError(f'{what}: was not refused')


def fresh(what):
    return f'tour.{what}.{uuid.uuid4().hex[:8]}'


@contextlib.asynccontextmanager
async def administrator():
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def make_topic(partitions=1, **config):
    name = fresh('topic')
    async with administrator() as admin:
        topic = NewTopic(name, partitions, 1, topic_configs={key.replace('_', '.'): config[key] for key in config})
        await admin.create_topics([topic])
    return name


def make_producer(**config):
    return AIOKafkaProducer(**{'bootstrap_servers': BOOTSTRAP} | config)


def make_consumer(*topics, **config):
    base = {'bootstrap_servers': BOOTSTRAP, 'auto_offset_reset': 'earliest', 'enable_auto_commit': False}
    return AIOKafkaConsumer(*topics, **base | config)


async def send(topic, values, partition=0, **config):
    async with make_producer(**config) as producer:
        for future in [await producer.send(topic, str(value).encode(), partition=partition) for value in values]:
            await future


async def take(consumer, count):
    return [await asyncio.wait_for(consumer.getone(), PATIENCE_S) for _ in range(count)]


async def nothing(consumer):
    got = await consumer.getmany(timeout_ms=500)
    equal('nothing more', got, {})


def values(messages):
    return [message.value.decode() for message in messages]


def numbers(start, stop):
    return [str(number) for number in range(start, stop)]


async def round_trip(codec):
    topic = await make_topic()
    headers = [('text', 'größer als 日本'.encode()), ('bytes', b'\x00\x01\xff'), ('twice', b''), ('twice', b'2')]
    large = bytes(range(256)) * 1000
    async with make_producer(compression_type=codec, max_request_size=1_000_000) as producer:
        for future in (
            await producer.send(topic, b'value', b'key', 0, timestamp_ms=1_000_000_000_000, headers=headers),
            await producer.send(topic, None, b'tombstone', 0),
            await producer.send(topic, b'', None, 0),
            await producer.send(topic, large, b'', 0),
        ):
            await future
    async with make_consumer(topic) as consumer:
        first, tombstone, empty, last = await take(consumer, 4)
    equal('the key and value', (first.key, first.value), (b'key', b'value'))
    equal('the headers', first.headers, tuple(headers))
    equal('the timestamp', first.timestamp, 1_000_000_000_000)
    equal('the tombstone', (tombstone.key, tombstone.value), (b'tombstone', None))
    equal('no key, and an empty value', (empty.key, empty.value), (None, b''))
    equal('the large value', last.value, large)
    equal('the offsets', [message.offset for message in (first, tombstone, empty, last)], [0, 1, 2, 3])


async def acknowledgements():
    """with each level of acknowledgement all messages arrive, in order"""
    for acks in (0, 1, 'all'):
        topic = await make_topic()
        await send(topic, range(200), acks=acks)
        async with make_consumer(topic) as consumer:
            equal('the values', values(await take(consumer, 200)), numbers(0, 200))


async def idempotence():
    """an idempotent producer keeps the order"""
    topic = await make_topic()
    await send(topic, range(2000), enable_idempotence=True, max_batch_size=400)
    async with make_consumer(topic) as consumer:
        equal('the values', values(await take(consumer, 2000)), numbers(0, 2000))


async def positions():
    """a consumer begins at an offset, a time, the end"""
    topic = await make_topic()
    partition = TopicPartition(topic, 0)
    async with make_producer() as producer:
        for number in range(20):
            await producer.send_and_wait(topic, str(number).encode(), partition=0, timestamp_ms=1_000_000 + 10 * number)
    async with make_consumer() as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 15)
        equal('from an offset', values(await take(consumer, 5)), numbers(15, 20))
        found = await consumer.offsets_for_times({partition: 1_000_101})
        equal('the offset of a time', (found[partition].offset, found[partition].timestamp), (11, 1_000_110))
        equal('the beginning', await consumer.beginning_offsets([partition]), {partition: 0})
        equal('the end', await consumer.end_offsets([partition]), {partition: 20})
        await consumer.seek_to_end(partition)
        await nothing(consumer)
        await send(topic, ['new'])
        equal('what is new', values(await take(consumer, 1)), ['new'])


async def pause():
    """what is paused does not come until it is resumed"""
    topic = await make_topic(2)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with make_consumer() as consumer:
        consumer.assign([zero, one])
        consumer.pause(zero)
        await send(topic, range(5), 0)
        await send(topic, range(5), 1)
        equal('only the other one', {message.partition for message in await take(consumer, 5)}, {1})
        await nothing(consumer)
        consumer.resume(zero)
        equal('its own', {message.partition for message in await take(consumer, 5)}, {0})


async def commit_and_resume():
    """a group goes on where it has committed, with its metadata"""
    topic, group = await make_topic(), fresh('group')
    partition = TopicPartition(topic, 0)
    await send(topic, range(10))
    async with make_consumer(topic, group_id=group) as consumer:
        await take(consumer, 4)
        await consumer.commit({partition: (4, 'so far')})
    async with make_consumer(topic, group_id=group) as consumer:
        equal('the rest', values(await take(consumer, 6)), numbers(4, 10))
        equal('the committed offset', await consumer.committed(partition), 4)


async def settle(members, sizes):
    for _ in range(10 * PATIENCE_S):
        if sorted(len(member.assignment()) for member in members) == sizes:
            break
        await asyncio.sleep(0.1)
    owned = [partition for member in members for partition in member.assignment()]
    equal('the sizes', sorted(len(member.assignment()) for member in members), sizes)
    equal('each has one owner', len(owned), len(set(owned)))


async def two_members(assignor):
    topic, group = await make_topic(4), fresh('group')
    config = {
        'group_id': group,
        'partition_assignment_strategy': (assignor,),
        'heartbeat_interval_ms': 200,
        'session_timeout_ms': 6000,
    }
    async with make_consumer(topic, **config) as one:
        await settle([one], [4])
        async with make_consumer(topic, **config) as two:
            await settle([one, two], [2, 2])
        await settle([one], [4])


async def transactions():
    """what is committed is read, what is aborted is not, and offsets go with it"""
    source, target, group = await make_topic(), await make_topic(), fresh('group')
    partition = TopicPartition(source, 0)
    await send(source, range(10))
    async with (
        make_consumer(source, group_id=group) as consumer,
        make_producer(transactional_id=fresh('txn')) as producer,
    ):
        messages = await take(consumer, 10)
        for is_committed in (False, True):
            await producer.begin_transaction()
            for message in messages:
                value = message.value + (b'' if is_committed else b' aborted')
                await producer.send_and_wait(target, value, partition=0)
            await producer.send_offsets_to_transaction({partition: 10}, group)
            if is_committed:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
                equal('no offset yet', await consumer.committed(partition), None)
        equal('the offset', await consumer.committed(partition), 10)
    async with make_consumer(target, isolation_level='read_committed') as consumer:
        equal('each once', values(await take(consumer, 10)), numbers(0, 10))
        await nothing(consumer)
    async with make_consumer(target) as consumer:
        await take(consumer, 20)


async def fencing():
    """a second producer of the same name fences the first"""
    topic, name = await make_topic(), fresh('txn')
    first = make_producer(transactional_id=name)
    await first.start()
    await first.begin_transaction()
    await first.send_and_wait(topic, b'first', partition=0)
    async with make_producer(transactional_id=name) as second:
        async with second.transaction():
            await second.send_and_wait(topic, b'second', partition=0)
        await refused('the first', ProducerFenced, first.commit_transaction())
    try:
        await first.stop()
    except ProducerFenced:
        pass
    async with make_consumer(topic, isolation_level='read_committed') as consumer:
        equal('the values', values(await take(consumer, 1)), ['second'])


async def large_message():
    """a message beyond max.message.bytes is refused, one within is not"""
    topic = await make_topic(max_message_bytes='100000')
    async with make_producer(max_request_size=1_000_000) as producer:
        await producer.send_and_wait(topic, b'x' * 90_000)
        await refused('too large', MessageSizeTooLargeError, producer.send_and_wait(topic, b'x' * 200_000))


async def administration():
    """topics, partitions, settings, records and groups are administered"""
    topic, group = await make_topic(2, retention_ms='60000'), fresh('group')
    async with administrator() as admin:
        answer = await admin.create_topics([NewTopic(topic, 1, 1)])
        equal('twice', answer.topic_errors[0][1], TopicAlreadyExistsError.errno)
        await admin.create_partitions({topic: NewPartitions(3)})
        (described,) = await admin.describe_topics([topic])
        equal('the partitions', len(described['partitions']), 3)
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (configs,) = await admin.describe_configs([resource])
        found = {entry[0]: entry[1] for entry in configs.resources[0][4]}
        equal('a setting', found['retention.ms'], '60000')
        await send(topic, range(10))
        async with make_consumer(topic, group_id=group) as consumer:
            await take(consumer, 10)
            await consumer.commit()
            (answer,) = await admin.describe_consumer_groups([group])
            equal('the state', answer.groups[0][2], 'Stable')
        offsets = await admin.list_consumer_group_offsets(group)
        equal('the offset', offsets[TopicPartition(topic, 0)].offset, 10)
        check('it is listed', (group, 'consumer') in await admin.list_consumer_groups(), group)
        await admin.delete_topics([topic])
        check('it is gone', topic not in await admin.list_topics(), topic)


async def log_in(mechanism):
    login = {
        'bootstrap_servers': SASL_BOOTSTRAP,
        'security_protocol': 'SASL_PLAINTEXT',
        'sasl_mechanism': mechanism,
        'sasl_plain_username': 'guest',
    }
    topic = await make_topic()
    await send(topic, ['value'], sasl_plain_password='guest', **login)
    producer = make_producer(sasl_plain_password='wrong', **login)
    await refused('a wrong password', KafkaError, producer.start())


def named(title, step, *args):
    call = lambda: step(*args)  # noqa: E731
    call.__doc__ = title
    return call


STEPS = [
    *(named(f'messages come back as they went in ({codec})', round_trip, codec)
      for codec in (None, 'gzip', 'snappy', 'lz4', 'zstd')),
    acknowledgements,
    idempotence,
    positions,
    pause,
    commit_and_resume,
    *(named(f'two members share the partitions ({assignor.name})', two_members, assignor)
      for assignor in (RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor)),
    transactions,
    fencing,
    large_message,
    administration,
    *([named('guest logs in with PLAIN; a wrong password is refused', log_in, 'PLAIN')] if SASL_BOOTSTRAP else []),
]

logging.disable(logging.CRITICAL)
failed = 0
for step in STEPS:
    title = inspect.getdoc(step)
    if len(sys.argv) > 1 and sys.argv[1] not in title:
        continue
    try:
        asyncio.run(asyncio.wait_for(step(), 60))
        print('ok', title, flush=True)
    except Exception:
        failed += 1
        print('FAILED', title, flush=True)
        traceback.print_exc(limit=-4, file=sys.stdout)
sys.exit(1 if failed else 0)
