import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** What the admin client does with topics, their settings and records, users, access and quotas. */
public final class Administration {
    private static final Admin ADMIN = Checks.admin();

    public static void main(String[] args) throws Exception {
        Checks.step("topics are made, described by name and by number, and deleted", Administration::topics);
        Checks.step("what cannot be is refused: twice, no partitions, three replicas, a setting unknown",
            Administration::refusals);
        Checks.step("partitions are added, never taken away", Administration::partitions);
        Checks.step("settings of a topic are read and altered, one by one and as lists", Administration::configs);
        Checks.step("the broker tells its settings", Administration::brokerConfigs);
        Checks.step("records are deleted up to an offset", Administration::deleteRecords);
        Checks.step("offsets are found: earliest, latest, of the latest time, by time", Administration::offsets);
        Checks.step("the cluster is described", Administration::cluster);
        Checks.step("a deleted topic comes back empty, with another number", Administration::topicAgain);
        Checks.step("quotas are set, read and removed", Administration::quotas);
        Checks.step("access is granted, read and withdrawn", Administration::acls);
        if (Checks.SASL_BOOTSTRAP != null) {
            Checks.step("a user made here logs in with SCRAM, and may do what is granted", Administration::scram);
        }
        Checks.end();
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static ConfigEntry config(String topic, String name) throws Exception {
        return ADMIN.describeConfigs(List.of(resource(topic))).all().get().get(resource(topic)).get(name);
    }

    private static void alter(String topic, OpType type, String name, String value) throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
        ADMIN.incrementalAlterConfigs(Map.of(resource(topic), change)).all().get();
    }

    private static void topics() throws Exception {
        String name = Checks.fresh("topic");
        var created = ADMIN.createTopics(List.of(new NewTopic(name, Optional.of(3), Optional.empty())
            .configs(Map.of("retention.ms", "60000"))));
        Checks.equal("the partitions", created.numPartitions(name).get(), 3);
        Checks.equal("the replicas", created.replicationFactor(name).get(), 1);
        Checks.equal("a setting", created.config(name).get().get("retention.ms").value(), "60000");
        var described = ADMIN.describeTopics(List.of(name)).allTopicNames().get().get(name);
        Checks.equal("the number", described.topicId(), created.topicId(name).get());
        Checks.equal("the partitions", described.partitions().size(), 3);
        Checks.check("each with its leader", described.partitions().stream()
            .allMatch(each -> each.leader() != null && each.isr().size() == 1), described);
        var byId = ADMIN.describeTopics(TopicCollection.ofTopicIds(List.of(described.topicId())))
            .allTopicIds().get().get(described.topicId());
        Checks.equal("by its number", byId.name(), name);
        Checks.check("it is listed", ADMIN.listTopics().names().get().contains(name), name);
        ADMIN.deleteTopics(List.of(name)).all().get();
        Checks.refused("it is gone", UnknownTopicOrPartitionException.class,
            () -> ADMIN.describeTopics(List.of(name)).allTopicNames().get());
        Checks.refused("and not there to be deleted", UnknownTopicOrPartitionException.class,
            () -> ADMIN.deleteTopics(List.of(name)).all().get());
    }

    private static void refuseTopic(Class<? extends Throwable> error, NewTopic topic) throws Exception {
        Checks.refused(topic.toString(), error, () -> ADMIN.createTopics(List.of(topic)).all().get());
    }

    private static void refusals() throws Exception {
        String name = Checks.topic(ADMIN, 1);
        refuseTopic(TopicExistsException.class, new NewTopic(name, 1, (short) 1));
        String other = Checks.fresh("topic");
        refuseTopic(InvalidPartitionsException.class, new NewTopic(other, 0, (short) 1));
        refuseTopic(InvalidReplicationFactorException.class, new NewTopic(other, 1, (short) 3));
        refuseTopic(InvalidConfigurationException.class,
            new NewTopic(other, 1, (short) 1).configs(Map.of("no.such.setting", "1")));
        refuseTopic(InvalidConfigurationException.class,
            new NewTopic(other, 1, (short) 1).configs(Map.of("retention.ms", "soon")));
        ADMIN.createTopics(List.of(new NewTopic(other, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true))
            .all().get();
        Checks.check("only validated", !ADMIN.listTopics().names().get().contains(other), other);
    }

    private static void partitions() throws Exception {
        String name = Checks.topic(ADMIN, 2);
        ADMIN.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all().get();
        var described = ADMIN.describeTopics(List.of(name)).allTopicNames().get().get(name);
        Checks.equal("the partitions", described.partitions().size(), 4);
        Checks.refused("fewer", InvalidPartitionsException.class,
            () -> ADMIN.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all().get());
        try (var producer = Checks.producer()) {
            Checks.send(producer, name, 3, 1);
        }
    }

    private static void configs() throws Exception {
        String name = Checks.topic(ADMIN, 1, Map.of("cleanup.policy", "compact"));
        Checks.equal("what was given", config(name, "cleanup.policy").source(), ConfigSource.DYNAMIC_TOPIC_CONFIG);
        Checks.equal("a default", config(name, "max.message.bytes").value(), "1048588");
        Checks.check("is a default", config(name, "max.message.bytes").isDefault(), "max.message.bytes");
        alter(name, OpType.APPEND, "cleanup.policy", "delete");
        Checks.equal("one more", config(name, "cleanup.policy").value(), "compact,delete");
        alter(name, OpType.SUBTRACT, "cleanup.policy", "compact");
        Checks.equal("one less", config(name, "cleanup.policy").value(), "delete");
        alter(name, OpType.SET, "retention.bytes", "5000000");
        Checks.equal("set", config(name, "retention.bytes").value(), "5000000");
        alter(name, OpType.DELETE, "retention.bytes", "");
        Checks.equal("back to the default", config(name, "retention.bytes").value(), "-1");
        Checks.refused("no such setting", InvalidConfigurationException.class, () -> {
            alter(name, OpType.SET, "no.such.setting", "1");
            return null;
        });
        Checks.refused("no such topic", UnknownTopicOrPartitionException.class, () -> config("tour.absent", "retention.ms"));
    }

    private static void brokerConfigs() throws Exception {
        String id = ADMIN.describeCluster().controller().get().idString();
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, id);
        Config config = ADMIN.describeConfigs(List.of(broker)).all().get().get(broker);
        Checks.check("there are some", config.entries().size() > 10, config);
        Checks.equal("partitions of a topic made by writing", config.get("num.partitions").value(), "1");
    }

    private static void deleteRecords() throws Exception {
        String name = Checks.topic(ADMIN, 1);
        TopicPartition partition = new TopicPartition(name, 0);
        try (var producer = Checks.producer()) {
            Checks.send(producer, name, 0, 10);
        }
        var deleted = ADMIN.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4)));
        Checks.equal("the low watermark", deleted.lowWatermarks().get(partition).get().lowWatermark(), 4L);
        try (var consumer = Checks.consumer()) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            Checks.equal("what is left", Checks.values(Checks.take(consumer, 6)), Checks.numbers(4, 10));
        }
        Checks.refused("beyond the end", OffsetOutOfRangeException.class,
            () -> ADMIN.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(11))).all().get());
        // -1: all there are.
        ADMIN.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).all().get();
        Checks.equal("then none", offset(partition, OffsetSpec.earliest()), 10L);
    }

    private static long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return ADMIN.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private static void offsets() throws Exception {
        String name = Checks.topic(ADMIN, 1);
        TopicPartition partition = new TopicPartition(name, 0);
        try (var producer = Checks.producer("compression.type", "gzip")) {
            for (long time : new long[] {1000, 3000, 2000}) {
                producer.send(new ProducerRecord<>(name, 0, time, null, "value"));
            }
        }
        Checks.equal("earliest", offset(partition, OffsetSpec.earliest()), 0L);
        Checks.equal("latest", offset(partition, OffsetSpec.latest()), 3L);
        Checks.equal("of the latest time", offset(partition, OffsetSpec.maxTimestamp()), 1L);
        Checks.equal("by time", offset(partition, OffsetSpec.forTimestamp(1500)), 1L);
        Checks.equal("earliest here", offset(partition, OffsetSpec.earliestLocal()), 0L);
        Checks.equal("after all", offset(partition, OffsetSpec.forTimestamp(5000)), -1L);
    }

    private static void cluster() throws Exception {
        var cluster = ADMIN.describeCluster();
        Checks.check("the nodes", !cluster.nodes().get().isEmpty(), "none");
        Checks.check("its name", !cluster.clusterId().get().isEmpty(), cluster.clusterId());
        int id = cluster.controller().get().id();
        var directories = ADMIN.describeLogDirs(List.of(id)).allDescriptions().get().get(id);
        Checks.equal("one directory", directories.size(), 1);
        Checks.check("features", !ADMIN.describeFeatures().featureMetadata().get().supportedFeatures().isEmpty(), "none");
        Checks.equal("nothing is moved", ADMIN.listPartitionReassignments().reassignments().get(), Map.of());
    }

    private static void topicAgain() throws Exception {
        String name = Checks.topic(ADMIN, 1);
        var before = ADMIN.describeTopics(List.of(name)).allTopicNames().get().get(name).topicId();
        try (var producer = Checks.producer()) {
            Checks.send(producer, name, 0, 5);
            ADMIN.deleteTopics(List.of(name)).all().get();
            Checks.eventually("it is made again", () -> {
                try {
                    ADMIN.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get();
                    return true;
                } catch (ExecutionException error) {
                    return false;
                }
            });
        }
        var after = ADMIN.describeTopics(List.of(name)).allTopicNames().get().get(name).topicId();
        Checks.check("another number", !before.equals(after), after);
        Checks.equal("nothing in it", offset(new TopicPartition(name, 0), OffsetSpec.latest()), 0L);
    }

    private static void quotas() throws Exception {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, Checks.fresh("client")));
        for (Double value : new Double[] {1_000_000.0, null}) {
            var operation = new ClientQuotaAlteration.Op("producer_byte_rate", value);
            ADMIN.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(operation)))).all().get();
            Checks.eventually("it is told", () -> {
                var quotas = ADMIN.describeClientQuotas(ClientQuotaFilter.all()).entities().get().get(entity);
                return value == null ? quotas == null : quotas != null && value.equals(quotas.get("producer_byte_rate"));
            });
        }
    }

    private static AclBinding grant(ResourceType type, String name, String user, AclOperation operation) {
        return new AclBinding(new ResourcePattern(type, name, PatternType.LITERAL),
            new AccessControlEntry("User:" + user, "*", operation, AclPermissionType.ALLOW));
    }

    private static void acls() throws Exception {
        AclBinding binding = grant(ResourceType.TOPIC, Checks.fresh("topic"), "somebody", AclOperation.READ);
        ADMIN.createAcls(List.of(binding)).all().get();
        Checks.eventually("it is told", () -> List.copyOf(ADMIN.describeAcls(binding.toFilter()).values().get())
            .equals(List.of(binding)));
        var deleted = ADMIN.deleteAcls(List.of(binding.toFilter())).all().get();
        Checks.equal("what was withdrawn", List.copyOf(deleted), List.of(binding));
        Checks.eventually("it is gone", () -> ADMIN.describeAcls(binding.toFilter()).values().get().isEmpty());
    }

    private static void scram() throws Exception {
        String user = "tour-user-" + System.nanoTime();
        String topic = Checks.topic(ADMIN, 1);
        String forbidden = Checks.topic(ADMIN, 1);
        List<AclBinding> bindings = new ArrayList<>();
        // Where there are rules for a resource, nobody else may use it.
        bindings.add(grant(ResourceType.TOPIC, topic, user, AclOperation.ALL));
        bindings.add(grant(ResourceType.TOPIC, forbidden, "somebody", AclOperation.ALL));
        ADMIN.createAcls(bindings).all().get();
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
            ADMIN.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user,
                new ScramCredentialInfo(mechanism, 4096), "the password"))).all().get();
            Checks.eventually("it is told", () -> ADMIN.describeUserScramCredentials(List.of(user)).all().get().get(user)
                .credentialInfos().stream().anyMatch(each -> each.mechanism() == mechanism));
            try (var producer = Checks.producer(Tour.login(mechanism.mechanismName(), user, "the password"))) {
                Checks.send(producer, topic, 0, 1);
                Checks.refused("what is not granted", TopicAuthorizationException.class,
                    () -> producer.send(new ProducerRecord<>(forbidden, "value")).get());
            }
            try (var producer = Checks.producer(Tour.login(mechanism.mechanismName(), user, "another"))) {
                Checks.refused("a wrong password", SaslAuthenticationException.class,
                    () -> producer.send(new ProducerRecord<>(topic, "value")).get());
            }
            ADMIN.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, mechanism))).all().get();
        }
        ADMIN.deleteAcls(bindings.stream().map(AclBinding::toFilter).toList()).all().get();
        Checks.equal("the topics are as before", ADMIN.describeTopics(Set.of(topic)).allTopicNames().get().size(), 1);
    }
}
