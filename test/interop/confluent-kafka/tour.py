"""What an application relies on, with confluent-kafka: each function is one thing that it does, and checks that it came
out so.

The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too.
"""

import inspect
import os
import sys
import threading
import time
import traceback
import uuid

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

BOOTSTRAP = os.environ.get('KAFKA_BOOTSTRAP', '127.0.0.1:9092')
SASL_BOOTSTRAP = os.environ.get('KAFKA_SASL_BOOTSTRAP')
PATIENCE_S = 20

# Who has not logged in administers nothing: where guest can log in, guest does.
AS_GUEST = {
    'bootstrap.servers': SASL_BOOTSTRAP,
    'security.protocol': 'SASL_PLAINTEXT',
    'sasl.mechanism': 'PLAIN',
    'sasl.username': 'guest',
    'sasl.password': 'guest',
}
admin = AdminClient(AS_GUEST if SASL_BOOTSTRAP else {'bootstrap.servers': BOOTSTRAP})


def check(what, condition, *details):
    if not condition:
        raise AssertionError(f'{what}: {", ".join(map(str, details))}')


def equal(what, actual, expected):
    check(what, actual == expected, f'expected {expected!r}', f'got {actual!r}')


def refused(what, code, call):
    try:
        call()
    except KafkaException as error:
        equal(what, error.args[0].name(), code)
    else:
        raise AssertionError(f'{what}: was not refused')


def fresh(what):
    return f'tour.{what}.{uuid.uuid4().hex[:8]}'


def properties(config):
    """Names as Python has them are names of settings, but for those of call-backs."""
    return {key if key.endswith('_cb') else key.replace('_', '.'): value for key, value in config.items()}


def make_topic(partitions=1, **config):
    name = fresh('topic')
    topic = NewTopic(name, partitions, 1, config=properties(config))
    admin.create_topics([topic])[name].result()
    return name


def make_producer(**config):
    return Producer({'bootstrap.servers': BOOTSTRAP} | properties(config))


def make_consumer(group=None, **config):
    base = {
        'bootstrap.servers': BOOTSTRAP,
        'group.id': group or fresh('group'),
        'auto.offset.reset': 'earliest',
        'enable.auto.commit': False,
    }
    return Consumer(base | properties(config))


def send(topic, values, partition=0, producer=None, **config):
    producer = producer or make_producer(**config)
    failures = []
    for value in values:
        producer.produce(topic, str(value), partition=partition, on_delivery=lambda e, _: e and failures.append(e))
    producer.flush(PATIENCE_S)
    equal('failures', failures, [])


def take(consumer, count):
    messages = []
    deadline = time.monotonic() + PATIENCE_S
    while len(messages) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None:
            check('no error', message.error() is None, message.error())
            messages.append(message)
    equal('the number of messages', len(messages), count)
    return messages


def values(messages):
    return [message.value().decode() for message in messages]


def numbers(start, stop):
    return [str(number) for number in range(start, stop)]


def read(topic, count, offset=0, **config):
    consumer = make_consumer(**config)
    consumer.assign([TopicPartition(topic, 0, offset)])
    messages = take(consumer, count)
    consumer.close()
    return messages


def round_trip(codec):
    topic = make_topic()
    headers = [('text', 'größer als 日本'.encode()), ('bytes', b'\x00\x01\xff'), ('twice', b''), ('twice', None)]
    large = bytes(range(256)) * 1000
    producer = make_producer(compression_type=codec, linger_ms=50)
    producer.produce(topic, b'value', key=b'key', headers=headers, timestamp=1_000_000_000_000, partition=0)
    producer.produce(topic, None, key=b'tombstone', partition=0)
    producer.produce(topic, b'', partition=0)
    producer.produce(topic, large, key=b'', partition=0)
    producer.flush(PATIENCE_S)
    first, tombstone, empty, last = read(topic, 4)
    equal('the key and value', (first.key(), first.value()), (b'key', b'value'))
    equal('the headers', first.headers(), headers)
    equal('the timestamp', first.timestamp(), (1, 1_000_000_000_000))
    equal('the tombstone', (tombstone.key(), tombstone.value()), (b'tombstone', None))
    equal('no key, and an empty value', (empty.key(), empty.value()), (None, b''))
    equal('the large value', last.value(), large)
    equal('the offsets', [message.offset() for message in (first, tombstone, empty, last)], [0, 1, 2, 3])


def acknowledgements():
    """with each level of acknowledgement all messages arrive, in order"""
    for acks in ('0', '1', 'all'):
        topic = make_topic()
        send(topic, range(200), acks=acks)
        equal('the values', values(read(topic, 200)), numbers(0, 200))


def idempotence():
    """an idempotent producer keeps the order in small batches"""
    topic = make_topic()
    send(topic, range(3000), enable_idempotence=True, batch_num_messages=7, linger_ms=0)
    equal('the values', values(read(topic, 3000)), numbers(0, 3000))


def positions():
    """a consumer begins at an offset, a time, the end"""
    topic = make_topic()
    producer = make_producer()
    for number in range(20):
        producer.produce(topic, str(number), partition=0, timestamp=1_000_000 + 10 * number)
    producer.flush(PATIENCE_S)
    equal('from an offset', values(read(topic, 5, 15)), numbers(15, 20))
    consumer = make_consumer()
    (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, 1_000_101)], PATIENCE_S)
    equal('the offset of a time', found.offset, 11)
    equal('the watermarks', consumer.get_watermark_offsets(TopicPartition(topic, 0), PATIENCE_S), (0, 20))
    consumer.assign([TopicPartition(topic, 0, -1)])
    check('nothing at the end', consumer.poll(1) is None)
    send(topic, ['new'])
    equal('what is new', values(take(consumer, 1)), ['new'])
    consumer.seek(TopicPartition(topic, 0, 18))
    equal('after a seek', values(take(consumer, 3)), ['18', '19', 'new'])
    consumer.close()


def end_of_partition():
    """a consumer is told when it has reached the end"""
    topic = make_topic()
    send(topic, range(3))
    consumer = make_consumer(enable_partition_eof=True)
    consumer.assign([TopicPartition(topic, 0, 0)])
    take(consumer, 3)
    message = consumer.poll(PATIENCE_S)
    equal('the end', message.error().code(), KafkaError._PARTITION_EOF)
    consumer.close()


def pause():
    """what is paused does not come until it is resumed"""
    topic = make_topic(2)
    consumer = make_consumer()
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    consumer.pause([TopicPartition(topic, 0)])
    send(topic, range(5), 0)
    send(topic, range(5), 1)
    equal('only the other one', {message.partition() for message in take(consumer, 5)}, {1})
    check('no more', consumer.poll(0.5) is None)
    consumer.resume([TopicPartition(topic, 0)])
    equal('its own', {message.partition() for message in take(consumer, 5)}, {0})
    consumer.close()


def commit_and_resume(protocol):
    topic, group = make_topic(), fresh('group')
    send(topic, range(10))
    consumer = make_consumer(group, group_protocol=protocol)
    consumer.subscribe([topic])
    messages = take(consumer, 4)
    consumer.commit(messages[-1], asynchronous=False)
    consumer.close()
    consumer = make_consumer(group, group_protocol=protocol)
    consumer.subscribe([topic])
    equal('the rest', values(take(consumer, 6)), numbers(4, 10))
    equal('the committed offset', consumer.committed([TopicPartition(topic, 0)], PATIENCE_S)[0].offset, 4)
    consumer.close()


def settle(members, sizes):
    deadline = time.monotonic() + PATIENCE_S + 10
    while sorted(len(member.assignment()) for member in members) != sizes:
        check('the partitions are shared out', time.monotonic() < deadline, [len(m.assignment()) for m in members])
        for member in members:
            member.poll(0.05)
    owned = [partition.partition for member in members for partition in member.assignment()]
    equal('each has one owner', len(owned), len(set(owned)))


def two_members(**config):
    topic, group = make_topic(4), fresh('group')
    if config.get('group_protocol') != 'consumer':
        config |= {'session_timeout_ms': 6000, 'heartbeat_interval_ms': 300}
    one = make_consumer(group, **config)
    one.subscribe([topic])
    settle([one], [4])
    two = make_consumer(group, **config)
    two.subscribe([topic])
    settle([one, two], [2, 2])
    two.close()
    settle([one], [4])
    one.close()


def transactions():
    """what is committed is read, what is aborted is not, and offsets go with it"""
    source, target, group = make_topic(), make_topic(), fresh('group')
    send(source, range(10))
    consumer = make_consumer(group)
    consumer.subscribe([source])
    messages = take(consumer, 10)
    producer = make_producer(transactional_id=fresh('txn'))
    producer.init_transactions(PATIENCE_S)
    for is_committed in (False, True):
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, message.value() + (b'' if is_committed else b' aborted'), partition=0)
        offsets = [TopicPartition(source, 0, 10)]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE_S)
        if is_committed:
            producer.commit_transaction(PATIENCE_S)
        else:
            # What was not sent yet would never be.
            producer.flush(PATIENCE_S)
            producer.abort_transaction(PATIENCE_S)
            committed = consumer.committed([TopicPartition(source, 0)], PATIENCE_S)[0].offset
            check('no offset yet', committed < 0, committed)
    equal('the offset', consumer.committed([TopicPartition(source, 0)], PATIENCE_S)[0].offset, 10)
    consumer.close()
    equal('each once', values(read(target, 10, isolation_level='read_committed')), numbers(0, 10))
    equal('all there is', len(read(target, 20, isolation_level='read_uncommitted')), 20)
    other = make_producer(transactional_id=fresh('txn'))
    other.init_transactions(PATIENCE_S)


def fencing():
    """a second producer of the same name fences the first"""
    topic, name = make_topic(), fresh('txn')
    first = make_producer(transactional_id=name)
    first.init_transactions(PATIENCE_S)
    first.begin_transaction()
    first.produce(topic, 'first', partition=0)
    first.flush(PATIENCE_S)
    second = make_producer(transactional_id=name)
    second.init_transactions(PATIENCE_S)
    second.begin_transaction()
    second.produce(topic, 'second', partition=0)
    second.commit_transaction(PATIENCE_S)
    refused('the first', '_FENCED', lambda: first.commit_transaction(PATIENCE_S))
    equal('the values', values(read(topic, 1, isolation_level='read_committed')), ['second'])


def share_group():
    """a share consumer takes turns with another at the messages of one partition"""
    from confluent_kafka import ShareConsumer

    topic, group = make_topic(), fresh('share')
    resource = ConfigResource(ConfigResource.Type.GROUP, group)
    entry = ConfigEntry('share.auto.offset.reset', 'earliest', incremental_operation=AlterConfigOpType.SET)
    resource.add_incremental_config(entry)
    admin.incremental_alter_configs([resource])[resource].result()
    send(topic, range(20))
    consumer = ShareConsumer({'bootstrap.servers': BOOTSTRAP, 'group.id': group})
    consumer.subscribe([topic])
    seen = []
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < 20 and time.monotonic() < deadline:
        for message in consumer.poll(0.5):
            check('no error', message.error() is None, message.error())
            seen.append(message.value().decode())
    equal('the values', sorted(seen, key=int), numbers(0, 20))
    consumer.close()


def large_message():
    """a message beyond max.message.bytes is refused, one within is not"""
    topic = make_topic(max_message_bytes='100000')
    errors = []
    producer = make_producer(message_max_bytes=1_000_000)
    for size in (90_000, 200_000):
        producer.produce(topic, b'x' * size, partition=0, on_delivery=lambda error, _: errors.append(error))
        producer.flush(PATIENCE_S)
    equal('the errors', [error and error.name() for error in errors], [None, 'MSG_SIZE_TOO_LARGE'])


def administration():
    """topics, partitions, settings, records, offsets and groups are administered"""
    topic = make_topic(2, retention_ms='60000')
    refused('twice', 'TOPIC_ALREADY_EXISTS', lambda: admin.create_topics([NewTopic(topic, 1, 1)])[topic].result())
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    equal('the partitions', len(admin.list_topics(topic, PATIENCE_S).topics[topic].partitions), 3)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    equal('a setting', admin.describe_configs([resource])[resource].result()['retention.ms'].value, '60000')
    entry = ConfigEntry('retention.bytes', '12345678', incremental_operation=AlterConfigOpType.SET)
    admin.incremental_alter_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])]
    )[resource].result()
    equal('altered', admin.describe_configs([resource])[resource].result()['retention.bytes'].value, '12345678')
    send(topic, range(10))
    partition = TopicPartition(topic, 0, 4)
    (deleted,) = admin.delete_records([partition]).values()
    equal('deleted records', deleted.result().low_watermark, 4)
    for spec, expected in ((OffsetSpec.earliest(), 4), (OffsetSpec.latest(), 10)):
        request = {TopicPartition(topic, 0): spec}
        (found,) = admin.list_offsets(request, isolation_level=IsolationLevel.READ_COMMITTED).values()
        equal('an offset', found.result().offset, expected)
    group = fresh('group')
    consumer = make_consumer(group)
    consumer.subscribe([topic])
    settle([consumer], [3])
    described = admin.describe_consumer_groups([group])[group].result()
    equal('the members', len(described.members), 1)
    consumer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    refused('not empty', 'NON_EMPTY_GROUP', lambda: admin.delete_consumer_groups([group])[group].result())
    consumer.close()
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
    equal('its offsets', [each.offset for each in offsets.topic_partitions], [7])
    altered = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 5)])
    admin.alter_consumer_group_offsets([altered])[group].result()
    check('it is listed', group in {each.group_id for each in admin.list_consumer_groups().result().valid}, group)
    admin.delete_consumer_groups([group])[group].result()
    check('the nodes', len(admin.describe_cluster().result().nodes) >= 1, 'none')
    admin.delete_topics([topic])[topic].result()
    refused('gone', 'UNKNOWN_TOPIC_OR_PART', lambda: admin.delete_topics([topic])[topic].result())


def access():
    """access is granted, read and withdrawn"""
    rule = (AclOperation.READ, AclPermissionType.ALLOW)
    binding = AclBinding(ResourceType.TOPIC, fresh('topic'), ResourcePatternType.LITERAL, 'User:somebody', '*', *rule)
    admin.create_acls([binding])[binding].result()
    from confluent_kafka.admin import AclBindingFilter

    any_of = AclBindingFilter(binding.restype, binding.name, binding.resource_pattern_type, None, None, AclOperation.ANY,
                              AclPermissionType.ANY)
    equal('the rules', admin.describe_acls(any_of).result(), [binding])
    equal('withdrawn', admin.delete_acls([any_of])[any_of].result(), [binding])


def log_in():
    """guest logs in with PLAIN, and a wrong password is refused"""
    topic = make_topic()
    login = {'security_protocol': 'SASL_PLAINTEXT', 'sasl_mechanism': 'PLAIN', 'sasl_username': 'guest'}
    send(topic, ['value'], bootstrap_servers=SASL_BOOTSTRAP, sasl_password='guest', **login)
    errors = []
    told = threading.Event()

    def note(error):
        errors.append(error.name())
        told.set()

    producer = make_producer(bootstrap_servers=SASL_BOOTSTRAP, sasl_password='wrong', error_cb=note, **login)
    for _ in range(100):
        producer.poll(0.1)
        if told.is_set():
            break
    check('an error', '_AUTHENTICATION' in errors, errors)


def named(title, step, *args, **config):
    call = lambda: step(*args, **config)  # noqa: E731
    call.__doc__ = title
    return call


STEPS = [
    *(named(f'messages come back as they went in ({codec})', round_trip, codec)
      for codec in ('none', 'gzip', 'snappy', 'lz4', 'zstd')),
    acknowledgements,
    idempotence,
    positions,
    end_of_partition,
    pause,
    *(named(f'a group goes on where it has committed ({protocol})', commit_and_resume, protocol)
      for protocol in ('classic', 'consumer')),
    *(named(f'two members share the partitions ({strategy})', two_members, partition_assignment_strategy=strategy)
      for strategy in ('range', 'roundrobin', 'cooperative-sticky')),
    *(named(f"two members share the partitions (the broker's {assignor})", two_members, group_protocol='consumer',
            group_remote_assignor=assignor) for assignor in ('uniform', 'range')),
    transactions,
    fencing,
    share_group,
    large_message,
    administration,
    access,
    *([log_in] if SASL_BOOTSTRAP else []),
]

failed = 0
for step in STEPS:
    title = inspect.getdoc(step)
    if len(sys.argv) > 1 and sys.argv[1] not in title:
        continue
    try:
        step()
        print('ok', title, flush=True)
    except Exception:
        failed += 1
        print('FAILED', title, flush=True)
        traceback.print_exc(file=sys.stdout)
sys.exit(1 if failed else 0)
