import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** Groups of several members, by the protocol in which a member assigns and by the one in which the broker does. */
public final class Groups {
    private static final Admin ADMIN = Checks.admin();
    private static final int PARTITIONS = 4;

    public static void main(String[] args) throws Exception {
        for (var assignor : List.of(RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class,
            CooperativeStickyAssignor.class)) {
            Object[] options = {"partition.assignment.strategy", List.of(assignor.getName())};
            Checks.step("two members share the partitions by " + assignor.getSimpleName(), () -> share(options));
        }
        for (String assignor : List.of("uniform", "range")) {
            Object[] options = {"group.protocol", "consumer", "group.remote.assignor", assignor};
            Checks.step("two members share the partitions by the broker's " + assignor, () -> share(options));
        }
        for (String protocol : List.of("classic", "consumer")) {
            String by = " (" + protocol + ")";
            Checks.step("a static member that comes back keeps its partitions, and no two have its name" + by,
                () -> staticMember(protocol));
            Checks.step("a member that does not poll loses its partitions" + by, () -> silentMember(protocol));
            Checks.step("new partitions are given out" + by, () -> morePartitions(protocol));
            Checks.step("a group is described, listed, and deleted when nobody is in it" + by, () -> admin(protocol));
        }
        Checks.step("the broker finds the topics of a pattern", Groups::pattern);
        Checks.step("an assignor that the broker does not know is refused", Groups::unknownAssignor);
        Checks.step("members move from the old protocol to the new one while others work", Groups::migration);
        Checks.step("the committed offsets of a group can be altered and deleted", Groups::offsets);
        Checks.end();
    }

    /** One member, on a thread of its own choice: it notes what it is given and what it reads. */
    private static final class Member implements AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final List<ConsumerRecord<String, String>> records = new ArrayList<>();

        Member(String group, String topic, Object... options) {
            Map<String, Object> all = Checks.options(options);
            all.put("group.id", group);
            all.putIfAbsent("metadata.max.age.ms", 500);
            // By the new protocol the broker says how often.
            if (!"consumer".equals(all.get("group.protocol"))) {
                all.putIfAbsent("heartbeat.interval.ms", 200);
                all.putIfAbsent("session.timeout.ms", 6000);
            }
            consumer = Checks.consumer(all.entrySet().stream()
                .flatMap(each -> Stream.of(each.getKey(), each.getValue())).toArray());
            if (topic != null) consumer.subscribe(List.of(topic));
        }

        void poll() {
            consumer.poll(Duration.ofMillis(50)).forEach(records::add);
        }

        Set<Integer> partitions() {
            Set<Integer> numbers = new TreeSet<>();
            for (TopicPartition each : consumer.assignment()) numbers.add(each.partition());
            return numbers;
        }

        @Override public void close() {
            consumer.close();
        }
    }

    private static void settle(List<Member> members, int... sizes) throws Exception {
        List<Integer> wanted = new ArrayList<>();
        for (int size : sizes) wanted.add(size);
        try {
            Checks.eventually("the partitions are shared out", () -> {
                members.forEach(Member::poll);
                return members.stream().map(each -> each.partitions().size()).sorted().toList().equals(wanted);
            });
        } catch (Checks.Failure failure) {
            throw new Checks.Failure(failure.getMessage() + ": " + members.stream().map(Member::partitions).toList());
        }
        Set<Integer> all = new HashSet<>();
        for (Member member : members) all.addAll(member.partitions());
        Checks.equal("each has one owner", all.size(), wanted.stream().mapToInt(Integer::intValue).sum());
    }

    private static void send(String topic, int partitions, int count) throws Exception {
        try (var producer = Checks.producer()) {
            for (int partition = 0; partition < partitions; partition++) {
                Checks.send(producer, topic, partition, count);
            }
        }
    }

    private static void share(Object... options) throws Exception {
        String topic = Checks.topic(ADMIN, PARTITIONS);
        String group = Checks.fresh("group");
        send(topic, PARTITIONS, 10);
        try (Member one = new Member(group, topic, options)) {
            settle(List.of(one), 4);
            Checks.eventually("the first reads all", () -> {
                one.poll();
                return one.records.size() == 10 * PARTITIONS;
            });
            one.consumer.commitSync();
            try (Member two = new Member(group, topic, options)) {
                settle(List.of(one, two), 2, 2);
                send(topic, PARTITIONS, 5);
                Checks.eventually("both read what is theirs", () -> {
                    one.poll();
                    two.poll();
                    return one.records.size() == 10 * PARTITIONS + 10 && two.records.size() == 10;
                });
                for (ConsumerRecord<String, String> record : two.records) {
                    Checks.check("from the committed offset on", record.offset() >= 10, record);
                }
                two.consumer.commitSync();
            }
            settle(List.of(one), 4);
            one.consumer.commitSync();
        }
    }

    private static void staticMember(String protocol) throws Exception {
        String topic = Checks.topic(ADMIN, PARTITIONS);
        String group = Checks.fresh("group");
        Object[] options = {"group.protocol", protocol, "group.instance.id", "left"};
        try (Member right = new Member(group, topic, "group.protocol", protocol, "group.instance.id", "right")) {
            Set<Integer> before;
            try (Member left = new Member(group, topic, options)) {
                settle(List.of(left, right), 2, 2);
                before = left.partitions();
            }
            Set<Integer> others = right.partitions();
            right.poll();
            Checks.equal("the other keeps its own", right.partitions(), others);
            try (Member left = new Member(group, topic, options)) {
                settle(List.of(left, right), 2, 2);
                Checks.equal("the partitions of the one that came back", left.partitions(), before);
                var members = ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group).members();
                Set<String> names = new TreeSet<>();
                members.forEach(each -> names.add(each.groupInstanceId().orElse("none")));
                Checks.equal("the names", names, Set.of("left", "right"));
                if (protocol.equals("classic")) {
                    // A second one of the same name takes the place, and the first is told.
                    try (Member usurper = new Member(group, topic, options)) {
                        Checks.eventually("it has the partitions", () -> {
                            usurper.poll();
                            right.poll();
                            return usurper.partitions().equals(before);
                        });
                        Checks.refused("the first", FencedInstanceIdException.class, () -> {
                            for (int i = 0; i < 100; i++) left.poll();
                            return null;
                        });
                    }
                }
            }
        }
    }

    private static void silentMember(String protocol) throws Exception {
        String topic = Checks.topic(ADMIN, PARTITIONS);
        String group = Checks.fresh("group");
        Object[] options = {"group.protocol", protocol, "max.poll.interval.ms", 2000};
        try (Member silent = new Member(group, topic, options)) {
            settle(List.of(silent), 4);
            send(topic, PARTITIONS, 1);
            try (Member other = new Member(group, topic, "group.protocol", protocol)) {
                Checks.eventually("the other has everything", () -> {
                    other.poll();
                    return other.partitions().size() == PARTITIONS;
                });
            }
            // It may come back.
            settle(List.of(silent), 4);
        }
    }

    private static void morePartitions(String protocol) throws Exception {
        String topic = Checks.topic(ADMIN, 2);
        String group = Checks.fresh("group");
        try (Member one = new Member(group, topic, "group.protocol", protocol)) {
            settle(List.of(one), 2);
            ADMIN.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
            settle(List.of(one), 5);
        }
    }

    private static void admin(String protocol) throws Exception {
        String topic = Checks.topic(ADMIN, PARTITIONS);
        String group = Checks.fresh("group");
        GroupType type = protocol.equals("classic") ? GroupType.CLASSIC : GroupType.CONSUMER;
        try (Member one = new Member(group, topic, "group.protocol", protocol, "client.id", "the-client")) {
            settle(List.of(one), 4);
            var described = ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group);
            Checks.equal("the state", described.groupState(), GroupState.STABLE);
            Checks.equal("the type", described.type(), type);
            Checks.equal("the members", described.members().size(), 1);
            var member = described.members().iterator().next();
            Checks.equal("its client id", member.clientId(), "the-client");
            Checks.check("its host", member.host().startsWith("/127."), member.host());
            Checks.equal("its partitions", member.assignment().topicPartitions().size(), PARTITIONS);
            Checks.check("the coordinator", ADMIN.describeCluster().nodes().get().contains(described.coordinator()),
                described.coordinator());
            one.consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
            Checks.refused("somebody is in it", GroupNotEmptyException.class,
                () -> ADMIN.deleteConsumerGroups(List.of(group)).all().get());
        }
        var listing = ADMIN.listGroups().all().get().stream().filter(each -> each.groupId().equals(group)).toList();
        Checks.equal("it is listed", listing.size(), 1);
        Checks.equal("its type", listing.get(0).type().orElse(null), type);
        Checks.equal("its state", listing.get(0).groupState().orElse(null), GroupState.EMPTY);
        ADMIN.deleteConsumerGroups(List.of(group)).all().get();
        Checks.refused("it is gone", GroupIdNotFoundException.class,
            () -> ADMIN.describeConsumerGroups(List.of(group)).all().get());
    }

    private static void pattern() throws Exception {
        String prefix = Checks.fresh("pattern");
        Set<String> names = Set.of(prefix + ".a", prefix + ".b");
        for (String name : names) {
            ADMIN.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get();
        }
        try (Member one = new Member(Checks.fresh("group"), null, "group.protocol", "consumer")) {
            one.consumer.subscribe(new SubscriptionPattern(prefix.replace(".", "\\.") + "\\.[abc]"));
            Checks.eventually("both are found", () -> {
                one.poll();
                return one.consumer.assignment().size() == 2;
            });
        }
    }

    private static void unknownAssignor() throws Exception {
        String topic = Checks.topic(ADMIN, 1);
        Object[] options = {"group.protocol", "consumer", "group.remote.assignor", "nonsense"};
        try (Member one = new Member(Checks.fresh("group"), topic, options)) {
            Checks.refused("the assignor", UnsupportedAssignorException.class, () -> {
                for (int i = 0; i < 200; i++) one.poll();
                return null;
            });
        }
    }

    private static void migration() throws Exception {
        String topic = Checks.topic(ADMIN, PARTITIONS);
        String group = Checks.fresh("group");
        Object[] old = {"partition.assignment.strategy", List.of(CooperativeStickyAssignor.class.getName())};
        try (Member one = new Member(group, topic, old)) {
            settle(List.of(one), 4);
            try (Member two = new Member(group, topic, "group.protocol", "consumer")) {
                settle(List.of(one, two), 2, 2);
                var described = ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group);
                Checks.equal("the type", described.type(), GroupType.CONSUMER);
                one.consumer.unsubscribe();
                settle(List.of(two), 4);
            }
        }
    }

    private static void offsets() throws Exception {
        String topic = Checks.topic(ADMIN, 2);
        String group = Checks.fresh("group");
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        var both = Map.of(zero, new OffsetAndMetadata(3, "three"), one, new OffsetAndMetadata(7));
        ADMIN.alterConsumerGroupOffsets(group, both).all().get();
        Checks.equal("the offsets", ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), both);
        ADMIN.deleteConsumerGroupOffsets(group, Set.of(one)).all().get();
        Checks.equal("what is left", ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(),
            Map.of(zero, both.get(zero)));
        try (Member member = new Member(group, topic)) {
            settle(List.of(member), 2);
            Checks.refused("an offset of nobody", UnknownMemberIdException.class,
                () -> ADMIN.alterConsumerGroupOffsets(group, both).all().get());
        }
    }
}
