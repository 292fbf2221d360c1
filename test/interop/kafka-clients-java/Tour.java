import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * What an application relies on, with Kafka's Java client: producers and consumers without transactions and without
 * more than one member in a group. The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too.
 */
public final class Tour {
    private static final Admin ADMIN = Checks.admin();

    public static void main(String[] args) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Checks.step("records come back as they went in, compressed with " + codec, () -> roundTrip(codec));
        }
        for (String acks : List.of("0", "1", "all")) {
            Checks.step("with acks=" + acks + " all records arrive, in order", () -> acknowledgements(acks));
        }
        Checks.step("an idempotent producer with five requests on their way keeps the order", Tour::idempotence);
        Checks.step("a record has the timestamp of its producer, or of its arrival if the topic says so",
            Tour::timestampType);
        Checks.step("a consumer begins at the earliest, the latest, an offset, or a time", Tour::positions);
        Checks.step("what is paused does not come until it is resumed", Tour::pause);
        Checks.step("a group goes on where it has committed, with its metadata", Tour::commitAndResume);
        Checks.step("offsets are committed automatically", Tour::automaticCommits);
        Checks.step("keys choose partitions, and each partition keeps its order", Tour::partitioning);
        Checks.step("a record beyond max.message.bytes is refused, one within is not", Tour::largeRecords);
        Checks.step("a consumer waits for fetch.min.bytes no longer than fetch.max.wait.ms", Tour::waiting);
        Checks.step("a small max.partition.fetch.bytes still lets large records through", Tour::smallFetches);
        Checks.step("a topic comes to be when it is written to; a bad name is refused", Tour::autoCreation);
        if (Checks.SASL_BOOTSTRAP != null) {
            Checks.step("guest logs in with PLAIN; a wrong password is refused", Tour::plain);
        }
        Checks.end();
    }

    private static TopicPartition first(String topic) {
        return new TopicPartition(topic, 0);
    }

    private static KafkaConsumer<String, String> reader(String topic, Object... options) {
        KafkaConsumer<String, String> consumer = Checks.consumer(options);
        consumer.assign(List.of(first(topic)));
        consumer.seekToBeginning(List.of(first(topic)));
        return consumer;
    }

    private static void roundTrip(String codec) throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        RecordHeaders headers = new RecordHeaders();
        headers.add("text", "größer als 日本".getBytes(UTF_8)).add("bytes", new byte[] {0, 1, -1});
        headers.add("twice", new byte[0]).add("twice", "second".getBytes(UTF_8)).add("nothing", null);
        String large = "0123456789".repeat(20_000);
        try (var producer = Checks.producer("compression.type", codec, "linger.ms", 50)) {
            List<Future<RecordMetadata>> sent = List.of(
                producer.send(new ProducerRecord<>(topic, 0, 1_000_000_000_000L, "key", "value", headers)),
                producer.send(new ProducerRecord<>(topic, 0, 1_000_000_000_001L, "tombstone", (String) null)),
                producer.send(new ProducerRecord<>(topic, 0, 999_999_999_999L, null, "")),
                producer.send(new ProducerRecord<>(topic, 0, 1_000_000_000_002L, "", large)));
            producer.flush();
            for (int i = 0; i < 4; i++) Checks.equal("an offset", sent.get(i).get().offset(), (long) i);
        }
        try (var consumer = reader(topic)) {
            List<ConsumerRecord<String, String>> records = Checks.take(consumer, 4);
            ConsumerRecord<String, String> record = records.get(0);
            Checks.equal("the key", record.key(), "key");
            Checks.equal("the value", record.value(), "value");
            Checks.equal("the timestamp", record.timestamp(), 1_000_000_000_000L);
            Checks.equal("its type", record.timestampType(), TimestampType.CREATE_TIME);
            Checks.equal("the headers", record.headers(), headers);
            Checks.equal("the tombstone", records.get(1).value(), null);
            Checks.equal("its key", records.get(1).key(), "tombstone");
            Checks.equal("no key", records.get(2).key(), null);
            Checks.equal("an empty value", records.get(2).value(), "");
            Checks.equal("an earlier timestamp", records.get(2).timestamp(), 999_999_999_999L);
            Checks.equal("the large value", records.get(3).value(), large);
        }
    }

    private static void acknowledgements(String acks) throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        try (var producer = Checks.producer("acks", acks, "enable.idempotence", "false")) {
            Checks.send(producer, topic, 0, 500);
        }
        try (var consumer = reader(topic)) {
            Checks.equal("the values", Checks.values(Checks.take(consumer, 500)), Checks.numbers(0, 500));
        }
    }

    private static void idempotence() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        try (var producer = Checks.producer("batch.size", 500, "linger.ms", 0)) {
            Checks.send(producer, topic, 0, 5000);
        }
        try (var consumer = reader(topic)) {
            Checks.equal("the values", Checks.values(Checks.take(consumer, 5000)), Checks.numbers(0, 5000));
        }
    }

    private static void timestampType() throws Exception {
        String topic = Checks.topic(ADMIN, 1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        try (var producer = Checks.producer()) {
            var metadata = producer.send(new ProducerRecord<>(topic, 0, 5L, "key", "value")).get();
            Checks.check("the producer is told", metadata.timestamp() >= before, metadata.timestamp());
        }
        try (var consumer = reader(topic)) {
            ConsumerRecord<String, String> record = Checks.take(consumer, 1).get(0);
            Checks.equal("the type", record.timestampType(), TimestampType.LOG_APPEND_TIME);
            Checks.check("the time", record.timestamp() >= before, record.timestamp());
        }
    }

    private static void positions() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        TopicPartition partition = first(topic);
        try (var producer = Checks.producer("batch.size", 300)) {
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_000_000L + 10 * i, "key", String.valueOf(i)));
            }
            producer.flush();
            try (var consumer = reader(topic)) {
                Checks.equal("from the earliest", Checks.take(consumer, 100).get(0).offset(), 0L);
                consumer.seek(partition, 42);
                Checks.equal("from an offset", Checks.take(consumer, 58).get(0).offset(), 42L);
                var found = consumer.offsetsForTimes(Map.of(partition, 1_000_333L));
                OffsetAndTimestamp at = found.get(partition);
                Checks.equal("the first at or after a time", at.offset(), 34L);
                Checks.equal("its time", at.timestamp(), 1_000_340L);
                consumer.seek(partition, at.offset());
                Checks.equal("from a time", Checks.take(consumer, 66).get(0).value(), "34");
                Checks.equal("after the last", consumer.offsetsForTimes(Map.of(partition, 2_000_000L)).get(partition), null);
                Checks.equal("the beginning", consumer.beginningOffsets(Set.of(partition)), Map.of(partition, 0L));
                Checks.equal("the end", consumer.endOffsets(Set.of(partition)), Map.of(partition, 100L));
                consumer.seekToEnd(Set.of(partition));
                Checks.equal("the position at the end", consumer.position(partition), 100L);
                producer.send(new ProducerRecord<>(topic, 0, null, "later"));
                Checks.equal("from the latest", Checks.values(Checks.take(consumer, 1)), List.of("later"));
                // Beyond the end: auto.offset.reset decides.
                consumer.seek(partition, 5000);
                Checks.equal("reset to the earliest", Checks.take(consumer, 101).get(0).offset(), 0L);
            }
        }
    }

    private static void pause() throws Exception {
        String topic = Checks.topic(ADMIN, 2);
        List<TopicPartition> both = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        try (var producer = Checks.producer(); var consumer = Checks.consumer()) {
            consumer.assign(both);
            consumer.seekToBeginning(both);
            consumer.pause(both.subList(0, 1));
            Checks.send(producer, topic, 0, 10);
            Checks.send(producer, topic, 1, 10);
            List<ConsumerRecord<String, String>> records = Checks.take(consumer, 10);
            consumer.poll(Duration.ofMillis(300)).forEach(records::add);
            Checks.equal("only the other's", records.stream().map(ConsumerRecord::partition).distinct().toList(), List.of(1));
            consumer.resume(both.subList(0, 1));
            Checks.equal("then its own", Checks.take(consumer, 10).get(0).partition(), 0);
        }
    }

    private static void commitAndResume() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = Checks.fresh("group");
        TopicPartition partition = first(topic);
        try (var producer = Checks.producer()) {
            Checks.send(producer, topic, 0, 10);
        }
        try (var consumer = Checks.consumer("group.id", group, "max.poll.records", 4)) {
            consumer.subscribe(List.of(topic));
            Checks.equal("the first", Checks.values(Checks.take(consumer, 4)), Checks.numbers(0, 4));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(4, "so far")));
        }
        try (var consumer = Checks.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            Checks.equal("the rest", Checks.values(Checks.take(consumer, 6)), Checks.numbers(4, 10));
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            Checks.equal("the offset", committed.offset(), 4L);
            Checks.equal("its metadata", committed.metadata(), "so far");
        }
    }

    private static void automaticCommits() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = Checks.fresh("group");
        try (var producer = Checks.producer()) {
            Checks.send(producer, topic, 0, 10);
        }
        Object[] options = {"group.id", group, "enable.auto.commit", "true", "auto.commit.interval.ms", 100};
        try (var consumer = Checks.consumer(options)) {
            consumer.subscribe(List.of(topic));
            Checks.take(consumer, 10);
        }
        var committed = ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Checks.equal("the committed offset", committed.get(first(topic)).offset(), 10L);
    }

    private static void partitioning() throws Exception {
        String topic = Checks.topic(ADMIN, 3);
        try (var producer = Checks.producer()) {
            for (int i = 0; i < 300; i++) producer.send(new ProducerRecord<>(topic, "key " + i % 30, String.valueOf(i)));
        }
        try (var consumer = Checks.consumer("group.id", Checks.fresh("group"))) {
            consumer.subscribe(List.of(topic));
            Map<String, Integer> homes = new HashMap<>();
            Map<String, Integer> last = new HashMap<>();
            for (ConsumerRecord<String, String> record : Checks.take(consumer, 300)) {
                int home = homes.computeIfAbsent(record.key(), key -> record.partition());
                Checks.equal("the partition of " + record.key(), record.partition(), home);
                int value = Integer.parseInt(record.value());
                Checks.check("in order", last.getOrDefault(record.key(), -1) < value, record);
                last.put(record.key(), value);
            }
            Checks.equal("the partitions used", Set.copyOf(homes.values()), Set.of(0, 1, 2));
        }
    }

    private static void largeRecords() throws Exception {
        String topic = Checks.topic(ADMIN, 1, Map.of("max.message.bytes", "100000"));
        try (var producer = Checks.producer("max.request.size", 5_000_000)) {
            producer.send(new ProducerRecord<>(topic, "x".repeat(90_000))).get();
            Checks.refused("too large", RecordTooLargeException.class,
                () -> producer.send(new ProducerRecord<>(topic, "x".repeat(200_000))).get());
            producer.send(new ProducerRecord<>(topic, "x".repeat(1000))).get();
        }
        try (var consumer = reader(topic)) {
            List<Integer> lengths = Checks.values(Checks.take(consumer, 2)).stream().map(String::length).toList();
            Checks.equal("the lengths", lengths, List.of(90_000, 1000));
        }
    }

    private static void waiting() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        try (var producer = Checks.producer();
             var consumer = reader(topic, "fetch.min.bytes", 1_000_000, "fetch.max.wait.ms", 1500)) {
            Checks.send(producer, topic, 0, 1);
            consumer.position(first(topic));
            long begin = System.nanoTime();
            Checks.take(consumer, 1);
            long tookMs = (System.nanoTime() - begin) / 1_000_000;
            Checks.check("waits", tookMs > 1000 && tookMs < 5000, tookMs + " ms");
        }
        try (var producer = Checks.producer();
             var consumer = reader(topic, "fetch.min.bytes", 1, "fetch.max.wait.ms", 10_000)) {
            Checks.take(consumer, 1);
            consumer.poll(Duration.ofMillis(200));
            producer.send(new ProducerRecord<>(topic, 0, null, "new"));
            long begin = System.nanoTime();
            Checks.take(consumer, 1);
            long tookMs = (System.nanoTime() - begin) / 1_000_000;
            Checks.check("does not wait when there is something", tookMs < 3000, tookMs + " ms");
        }
    }

    private static void smallFetches() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        List<String> expected = new ArrayList<>();
        try (var producer = Checks.producer()) {
            for (int i = 0; i < 5; i++) {
                expected.add(String.valueOf(i).repeat(50_000));
                producer.send(new ProducerRecord<>(topic, expected.get(i))).get();
            }
        }
        try (var consumer = reader(topic, "max.partition.fetch.bytes", 1000, "fetch.max.bytes", 1000)) {
            Checks.equal("the values", Checks.values(Checks.take(consumer, 5)), expected);
        }
    }

    private static void autoCreation() throws Exception {
        String topic = Checks.fresh("made-by-writing");
        try (KafkaProducer<String, String> producer = Checks.producer()) {
            producer.send(new ProducerRecord<>(topic, "first")).get();
            Checks.refused("a bad name", InvalidTopicException.class,
                () -> producer.send(new ProducerRecord<>("bad name!", "value")).get());
        }
        Checks.check("it is there", ADMIN.listTopics().names().get().contains(topic), topic);
    }

    private static void plain() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        try (var producer = Checks.producer(login("PLAIN", "guest", "guest"))) {
            Checks.send(producer, topic, 0, 5);
        }
        try (var producer = Checks.producer(login("PLAIN", "guest", "wrong"))) {
            Checks.refused("a wrong password", SaslAuthenticationException.class,
                () -> producer.send(new ProducerRecord<>(topic, "value")).get());
        }
        try (var consumer = reader(topic)) {
            Checks.take(consumer, 5);
        }
    }

    static Object[] login(String mechanism, String user, String password) {
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        String format = "org.apache.kafka.common.security.%s required username=\"%s\" password=\"%s\";";
        return new Object[] {
            "bootstrap.servers", Checks.SASL_BOOTSTRAP, "security.protocol", "SASL_PLAINTEXT",
            "sasl.mechanism", mechanism, "sasl.jaas.config", String.format(format, module, user, password),
        };
    }
}
