import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** Transactions: what is committed together is seen together, what is aborted is never seen. */
public final class Transactions {
    private static final Admin ADMIN = Checks.admin();

    public static void main(String[] args) throws Exception {
        Checks.step("what is committed is read, what is aborted is not, over two topics", Transactions::commitAndAbort);
        Checks.step("an open transaction holds back what comes after it", Transactions::openTransaction);
        Checks.step("many transactions, some of them aborted, compressed", Transactions::many);
        Checks.step("offsets are committed with the records that come of them, or not at all", Transactions::offsets);
        Checks.step("a second producer of the same name ends the first one's transaction", Transactions::fencing);
        Checks.step("a transaction that takes too long is aborted", Transactions::timeout);
        Checks.step("an administrator sees transactions and producers, and fences", Transactions::admin);
        Checks.end();
    }

    private static KafkaProducer<String, String> transactional(String id, Object... options) {
        Map<String, Object> all = Checks.options(options);
        all.put("transactional.id", id);
        KafkaProducer<String, String> producer = Checks.producer(all.entrySet().stream()
            .flatMap(each -> Stream.of(each.getKey(), each.getValue())).toArray());
        producer.initTransactions();
        return producer;
    }

    private static KafkaConsumer<String, String> committedReader(String... topics) {
        return reader("read_committed", topics);
    }

    private static KafkaConsumer<String, String> reader(String isolation, String... topics) {
        KafkaConsumer<String, String> consumer = Checks.consumer("isolation.level", isolation);
        List<TopicPartition> partitions = new ArrayList<>();
        for (String topic : topics) partitions.add(new TopicPartition(topic, 0));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    private static List<String> poll(KafkaConsumer<String, String> consumer) {
        List<String> values = new ArrayList<>();
        consumer.poll(Duration.ofMillis(700)).forEach(record -> values.add(record.value()));
        return values;
    }

    private static void put(KafkaProducer<String, String> producer, String topic, String value) {
        producer.send(new ProducerRecord<>(topic, 0, null, value));
    }

    private static void commitAndAbort() throws Exception {
        String left = Checks.topic(ADMIN, 1);
        String right = Checks.topic(ADMIN, 1);
        try (var producer = transactional(Checks.fresh("txn"))) {
            for (String outcome : List.of("aborted", "committed", "aborted", "committed")) {
                producer.beginTransaction();
                put(producer, left, outcome);
                put(producer, right, outcome);
                producer.flush();
                if (outcome.equals("aborted")) producer.abortTransaction();
                else producer.commitTransaction();
            }
        }
        try (var consumer = committedReader(left, right)) {
            List<ConsumerRecord<String, String>> records = Checks.take(consumer, 4);
            Checks.equal("the values", Set.copyOf(Checks.values(records)), Set.of("committed"));
            Checks.equal("nothing else", poll(consumer), List.of());
            // Each transaction has one record and one marker in each partition.
            Checks.equal("the position", consumer.position(new TopicPartition(left, 0)), 8L);
        }
        try (var consumer = reader("read_uncommitted", left)) {
            Checks.equal("all there is", Checks.values(Checks.take(consumer, 4)),
                List.of("aborted", "committed", "aborted", "committed"));
        }
    }

    private static void openTransaction() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = transactional(Checks.fresh("txn")); var plain = Checks.producer();
             var consumer = committedReader(topic)) {
            put(plain, topic, "before");
            plain.flush();
            producer.beginTransaction();
            put(producer, topic, "inside");
            producer.flush();
            put(plain, topic, "after");
            plain.flush();
            Checks.equal("what is stable", Checks.values(Checks.take(consumer, 1)), List.of("before"));
            Checks.equal("no more", poll(consumer), List.of());
            var spec = Map.of(partition, OffsetSpec.latest());
            var stable = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
            Checks.equal("the end of what is stable",
                ADMIN.listOffsets(spec, stable).all().get().get(partition).offset(), 1L);
            Checks.equal("the end", ADMIN.listOffsets(spec).all().get().get(partition).offset(), 3L);
            producer.commitTransaction();
            Checks.equal("then all", Checks.values(Checks.take(consumer, 2)), List.of("inside", "after"));
        }
    }

    private static void many() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        List<String> expected = new ArrayList<>();
        try (var one = transactional(Checks.fresh("txn"), "compression.type", "lz4");
             var two = transactional(Checks.fresh("txn"), "compression.type", "zstd")) {
            for (int i = 0; i < 60; i++) {
                var producer = i % 2 == 0 ? one : two;
                producer.beginTransaction();
                for (int j = 0; j < 20; j++) put(producer, topic, i + " " + j);
                if (i % 3 == 0) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    for (int j = 0; j < 20; j++) expected.add(i + " " + j);
                }
            }
        }
        try (var consumer = committedReader(topic)) {
            Checks.equal("the values", Checks.values(Checks.take(consumer, expected.size())), expected);
            Checks.equal("no more", poll(consumer), List.of());
        }
    }

    private static void offsets() throws Exception {
        String source = Checks.topic(ADMIN, 1);
        String target = Checks.topic(ADMIN, 1);
        String group = Checks.fresh("group");
        TopicPartition partition = new TopicPartition(source, 0);
        try (var producer = Checks.producer()) {
            Checks.send(producer, source, 0, 10);
        }
        for (String protocol : List.of("classic", "consumer")) {
            boolean isFirst = protocol.equals("classic");
            try (var consumer = Checks.consumer("group.id", group, "group.protocol", protocol, "max.poll.records", 5,
                    "isolation.level", "read_committed");
                 var producer = transactional(Checks.fresh("txn"))) {
                consumer.subscribe(List.of(source));
                List<ConsumerRecord<String, String>> records = Checks.take(consumer, 5);
                for (boolean isCommitted : new boolean[] {false, true}) {
                    producer.beginTransaction();
                    for (ConsumerRecord<String, String> record : records) {
                        put(producer, target, record.value() + (isCommitted ? "" : " aborted"));
                    }
                    long next = records.get(4).offset() + 1;
                    producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(next, "copied")),
                        consumer.groupMetadata());
                    if (isCommitted) {
                        producer.commitTransaction();
                    } else {
                        producer.abortTransaction();
                        OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
                        Checks.equal("no offset yet", committed == null ? 0L : committed.offset(), isFirst ? 0L : 5L);
                    }
                }
                Checks.equal("the offset", consumer.committed(Set.of(partition)).get(partition),
                    new OffsetAndMetadata(isFirst ? 5 : 10, "copied"));
            }
        }
        try (var consumer = committedReader(target)) {
            Checks.equal("each once", Checks.values(Checks.take(consumer, 10)), Checks.numbers(0, 10));
            Checks.equal("no more", poll(consumer), List.of());
        }
    }

    private static void fencing() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String id = Checks.fresh("txn");
        try (var first = transactional(id)) {
            first.beginTransaction();
            put(first, topic, "from the first");
            first.flush();
            try (var second = transactional(id)) {
                second.beginTransaction();
                put(second, topic, "from the second");
                second.commitTransaction();
                Throwable error = Checks.refusal(() -> {
                    put(first, topic, "late");
                    first.commitTransaction();
                    return null;
                });
                Checks.check("the first is told", isFenced(error), error);
            }
        }
        try (var consumer = committedReader(topic)) {
            Checks.equal("the values", Checks.values(Checks.take(consumer, 1)), List.of("from the second"));
            Checks.equal("no more", poll(consumer), List.of());
        }
    }

    private static boolean isFenced(Throwable error) {
        for (Throwable each = error; each != null; each = each.getCause()) {
            if (each instanceof ProducerFencedException || each instanceof InvalidProducerEpochException) return true;
        }
        return false;
    }

    private static void timeout() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        Checks.refused("fifteen minutes are the most", KafkaException.class,
            () -> transactional(Checks.fresh("txn"), "transaction.timeout.ms", 3_600_000));
        try (var producer = transactional(Checks.fresh("txn"), "transaction.timeout.ms", 1500);
             var plain = Checks.producer(); var consumer = committedReader(topic)) {
            producer.beginTransaction();
            put(producer, topic, "never finished");
            producer.flush();
            put(plain, topic, "after");
            plain.flush();
            Checks.equal("what comes after", Checks.values(Checks.take(consumer, 1)), List.of("after"));
            Checks.refused("it is too late", KafkaException.class, () -> {
                producer.commitTransaction();
                return null;
            });
        }
        try (var producer = transactional(Checks.fresh("txn"), "transaction.timeout.ms", 1500);
             var plain = Checks.producer(); var consumer = committedReader(topic)) {
            producer.beginTransaction();
            put(producer, topic, "never finished either");
            producer.flush();
            put(plain, topic, "after that");
            plain.flush();
            Checks.equal("what comes after it", Checks.values(Checks.take(consumer, 2)), List.of("after", "after that"));
            producer.abortTransaction();
            producer.beginTransaction();
            put(producer, topic, "again");
            producer.commitTransaction();
            Checks.equal("whoever aborts may go on", Checks.values(Checks.take(consumer, 1)), List.of("again"));
        }
    }

    private static void admin() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String id = Checks.fresh("txn");
        try (var producer = transactional(id)) {
            producer.beginTransaction();
            put(producer, topic, "value");
            producer.flush();
            var described = ADMIN.describeTransactions(List.of(id)).all().get().get(id);
            Checks.equal("the state", described.state(), TransactionState.ONGOING);
            Checks.equal("the partitions", described.topicPartitions(), Set.of(partition));
            var options = new ListTransactionsOptions().filterStates(List.of(TransactionState.ONGOING));
            Checks.check("it is listed", ADMIN.listTransactions(options).all().get().stream()
                .anyMatch(each -> each.transactionalId().equals(id)), id);
            var states = ADMIN.describeProducers(List.of(partition)).all().get().get(partition).activeProducers();
            Checks.equal("one producer", states.size(), 1);
            var state = states.get(0);
            Checks.equal("its number", state.producerId(), described.producerId());
            Checks.equal("its transaction's start", state.currentTransactionStartOffset().orElse(-1), 0L);
            ADMIN.abortTransaction(new AbortTransactionSpec(partition, state.producerId(), (short) state.producerEpoch(),
                state.coordinatorEpoch().orElse(0))).all().get();
            var after = ADMIN.describeProducers(List.of(partition)).all().get().get(partition).activeProducers();
            Checks.check("none is open", after.get(0).currentTransactionStartOffset().isEmpty(), after);
            ADMIN.fenceProducers(List.of(id)).all().get();
            Throwable error = Checks.refusal(() -> {
                put(producer, topic, "late");
                producer.commitTransaction();
                return null;
            });
            Checks.check("the producer is told", isFenced(error), error);
        }
    }
}
