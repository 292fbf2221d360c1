import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Share groups (KIP-932): the members of a group take turns at the records of one partition, each with its own fate. */
public final class Shares {
    private static final Admin ADMIN = Checks.admin();

    public static void main(String[] args) throws Exception {
        Checks.step("two members read one partition, and each record reaches one of them", Shares::twoMembers);
        Checks.step("what is released comes again, counted; what is rejected or accepted does not", Shares::fates);
        Checks.step("what a member had when it left goes to another", Shares::leaving);
        Checks.step("what is not acknowledged in time goes to another", Shares::lockTimeout);
        Checks.step("a record is given up after five deliveries", Shares::deliveryLimit);
        Checks.step("compressed batches are shared record by record", Shares::compressed);
        Checks.step("what a transaction aborted is not shared, if only what is committed is wanted", Shares::transactions);
        Checks.step("a new group begins at the latest unless it is told otherwise", Shares::latest);
        Checks.step("a share group is described, its offsets set, and deleted", Shares::admin);
        Checks.end();
    }

    private static String group(String... configs) throws Exception {
        String group = Checks.fresh("share");
        List<AlterConfigOp> changes = new ArrayList<>();
        changes.add(set("share.auto.offset.reset", "earliest"));
        for (int i = 0; i < configs.length; i += 2) changes.add(set(configs[i], configs[i + 1]));
        ADMIN.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), (Collection<AlterConfigOp>) changes)).all().get();
        return group;
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    private static KafkaShareConsumer<String, String> member(String group, String topic, Object... options) {
        Map<String, Object> all = Checks.options(options);
        all.put("group.id", group);
        var consumer = new KafkaShareConsumer<>(Checks.properties(all), new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private static KafkaShareConsumer<String, String> explicitMember(String group, String topic) {
        return member(group, topic, "share.acknowledgement.mode", "explicit");
    }

    private static void send(String topic, int count) throws Exception {
        try (var producer = Checks.producer()) {
            Checks.send(producer, topic, 0, count);
        }
    }

    /** Polls until the consumer gets something. */
    private static List<ConsumerRecord<String, String>> some(KafkaShareConsumer<String, String> consumer) throws Exception {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        Checks.eventually("records come", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            return !records.isEmpty();
        });
        return records;
    }

    private static void nothingMore(KafkaShareConsumer<String, String> consumer) {
        for (int i = 0; i < 4; i++) {
            var records = consumer.poll(Duration.ofMillis(200));
            Checks.check("nothing more", records.isEmpty(), records.count());
        }
    }

    private static void twoMembers() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        Map<String, Set<String>> seen = new HashMap<>();
        int[] count = {0};
        try (var one = member(group, topic, "max.poll.records", 10); var two = member(group, topic, "max.poll.records", 10);
             var producer = Checks.producer("batch.size", 200)) {
            Checks.eventually("each gets some, and together they get all", () -> {
                if (count[0] % 50 == 0) Checks.send(producer, topic, 0, 50);
                for (var each : Map.of("one", one, "two", two).entrySet()) {
                    for (var record : each.getValue().poll(Duration.ofMillis(100))) {
                        boolean isNew = seen.computeIfAbsent(each.getKey(), key -> new HashSet<>())
                            .add(String.valueOf(record.offset()));
                        Checks.check("once", isNew, record);
                        count[0]++;
                    }
                }
                return seen.size() == 2 && count[0] % 50 == 0;
            });
        }
        Set<String> both = new HashSet<>(seen.get("one"));
        both.retainAll(seen.get("two"));
        Checks.equal("what both got", both, Set.of());
    }

    private static void fates() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        send(topic, 4);
        try (var consumer = explicitMember(group, topic)) {
            Map<Long, Integer> deliveries = new HashMap<>();
            Checks.eventually("two come again", () -> {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    int count = deliveries.merge(record.offset(), 1, Integer::sum);
                    Checks.equal("the delivery count", record.deliveryCount().orElse((short) 0), (short) count);
                    if (record.offset() < 2 && count == 1) consumer.acknowledge(record, AcknowledgeType.RELEASE);
                    else if (record.offset() == 2) consumer.acknowledge(record, AcknowledgeType.REJECT);
                    else consumer.acknowledge(record);
                }
                consumer.commitSync().values().forEach(error -> Checks.check("no error", error.isEmpty(), error));
                return deliveries.equals(Map.of(0L, 2, 1L, 2, 2L, 1, 3L, 1));
            });
            nothingMore(consumer);
        }
    }

    private static void leaving() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        send(topic, 5);
        try (var first = explicitMember(group, topic)) {
            var records = some(first);
            first.acknowledge(records.get(0));
            for (var record : records.subList(1, records.size())) first.acknowledge(record, AcknowledgeType.RELEASE);
        }
        try (var second = member(group, topic)) {
            Set<String> values = new HashSet<>();
            Checks.eventually("the others come", () -> {
                second.poll(Duration.ofMillis(200)).forEach(record -> values.add(record.value()));
                return values.size() == 4;
            });
            Checks.check("but not the accepted one", !values.contains("0"), values);
        }
    }

    private static void lockTimeout() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group("share.record.lock.duration.ms", "15000");
        send(topic, 1);
        try (var first = explicitMember(group, topic); var second = explicitMember(group, topic)) {
            some(first);
            var again = some(second);
            Checks.equal("the delivery count", again.get(0).deliveryCount().orElse((short) 0), (short) 2);
            second.acknowledge(again.get(0));
            second.commitSync();
        }
    }

    private static void deliveryLimit() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        send(topic, 1);
        try (var consumer = explicitMember(group, topic)) {
            for (int i = 1; i <= 5; i++) {
                var record = some(consumer).get(0);
                Checks.equal("the delivery count", record.deliveryCount().orElse((short) 0), (short) i);
                consumer.acknowledge(record, AcknowledgeType.RELEASE);
                consumer.commitSync();
            }
            nothingMore(consumer);
        }
    }

    private static void compressed() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        try (var producer = Checks.producer("compression.type", "zstd", "linger.ms", 100)) {
            Checks.send(producer, topic, 0, 100);
        }
        try (var consumer = explicitMember(group, topic)) {
            Set<Long> done = new HashSet<>();
            Checks.eventually("all are accepted, the odd ones at the second time", () -> {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    boolean isAccepted = record.offset() % 2 == 0 || record.deliveryCount().orElse((short) 0) > 1;
                    consumer.acknowledge(record, isAccepted ? AcknowledgeType.ACCEPT : AcknowledgeType.RELEASE);
                    if (isAccepted) Checks.check("once", done.add(record.offset()), record);
                }
                consumer.commitSync();
                return done.size() == 100;
            });
            nothingMore(consumer);
        }
    }

    private static void transactions() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group("share.isolation.level", "read_committed");
        try (var producer = Checks.producer("transactional.id", Checks.fresh("txn"))) {
            producer.initTransactions();
            for (boolean isCommitted : new boolean[] {false, true}) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, isCommitted ? "yes" : "no"));
                producer.flush();
                if (isCommitted) producer.commitTransaction();
                else producer.abortTransaction();
            }
        }
        try (var consumer = member(group, topic)) {
            Checks.equal("the values", some(consumer).stream().map(ConsumerRecord::value).toList(), List.of("yes"));
            nothingMore(consumer);
        }
    }

    private static void latest() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        send(topic, 3);
        try (var consumer = member(Checks.fresh("share"), topic)) {
            for (int i = 0; i < 15; i++) {
                Checks.equal("nothing old", consumer.poll(Duration.ofMillis(200)).count(), 0);
            }
            // When the group has begun is not told: some of these come, and none of those before.
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            Checks.eventually("new ones come", () -> {
                send(topic, 1);
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
                return !records.isEmpty();
            });
            Checks.check("none of the old ones", records.get(0).offset() >= 3, records.get(0));
        }
    }

    private static void admin() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        String group = group();
        TopicPartition partition = new TopicPartition(topic, 0);
        send(topic, 10);
        try (var consumer = member(group, topic)) {
            for (int count = 0; count < 10; count += some(consumer).size()) consumer.commitSync();
            consumer.commitSync();
            var described = ADMIN.describeShareGroups(List.of(group)).all().get().get(group);
            Checks.equal("the state", described.groupState(), GroupState.STABLE);
            Checks.equal("the members", described.members().size(), 1);
            Checks.equal("their partitions",
                described.members().iterator().next().assignment().topicPartitions(), Set.of(partition));
        }
        Checks.eventually("it is empty", () -> ADMIN.describeShareGroups(List.of(group)).all().get().get(group)
            .groupState() == GroupState.EMPTY);
        var spec = Map.of(group, new ListShareGroupOffsetsSpec());
        // Kafka writes down where a group begins with the acknowledgement that comes next.
        Checks.check("where it begins is told", ADMIN.listShareGroupOffsets(spec).partitionsToOffsetInfo(group).get()
            .get(partition).startOffset() <= 10, group);
        ADMIN.alterShareGroupOffsets(group, Map.of(partition, 7L)).all().get();
        try (var consumer = member(group, topic)) {
            Checks.equal("from there", some(consumer).get(0).offset(), 7L);
        }
        ADMIN.deleteShareGroups(List.of(group)).all().get();
        Checks.refused("it is gone", GroupIdNotFoundException.class,
            () -> ADMIN.describeShareGroups(List.of(group)).all().get());
    }
}
