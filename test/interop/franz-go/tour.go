// What an application relies on, with franz-go: each step is one thing that it does, and checks that it came out so.
// The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const patience = 20 * time.Second

var (
	bootstrap     = env("KAFKA_BOOTSTRAP", "127.0.0.1:9092")
	saslBootstrap = os.Getenv("KAFKA_SASL_BOOTSTRAP")
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

type step struct {
	title string
	run   func(context.Context)
}

func main() {
	var steps []step
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		codec := codecs[name]
		steps = append(steps, step{"records come back as they went in, compressed with " + name,
			func(ctx context.Context) { roundTrip(ctx, codec) }})
	}
	steps = append(steps,
		step{"with each level of acknowledgement all records arrive, in order", acknowledgements},
		step{"a consumer begins at an offset, a time, the end", positions},
		step{"what is paused does not come until it is resumed", pause},
		step{"a group goes on where it has committed", commitAndResume})
	balancers := []kgo.GroupBalancer{
		kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.StickyBalancer(), kgo.CooperativeStickyBalancer(),
	}
	for _, balancer := range balancers {
		steps = append(steps, step{"two members share the partitions by " + balancer.ProtocolName(),
			func(ctx context.Context) { twoMembers(ctx, balancer) }})
	}
	steps = append(steps,
		step{"what is committed is read, what is aborted is not", transactions},
		step{"what is copied by a group in transactions is there once", copyExactlyOnce},
		step{"a record beyond max.message.bytes is refused, one within is not", largeRecord},
		step{"topics, settings, records, offsets and groups are administered", administration})
	if saslBootstrap != "" {
		steps = append(steps, step{"guest logs in with PLAIN; a wrong password is refused", logIn},
			step{"a user made here logs in with SCRAM", logInByScram})
	}

	failed := false
	for _, each := range steps {
		if len(os.Args) > 1 && !strings.Contains(each.title, os.Args[1]) {
			continue
		}
		if err := attempt(each); err != nil {
			fmt.Println("FAILED", each.title+":", err)
			failed = true
		} else {
			fmt.Println("ok", each.title)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func attempt(each step) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("%v", failure)
		}
	}()
	each.run(ctx)
	return nil
}

func check(what string, condition bool, details ...any) {
	if !condition {
		panic(fmt.Sprintf("%s: %v", what, details))
	}
}

func equal(what string, actual, expected any) {
	check(what, reflect.DeepEqual(actual, expected), "expected", expected, "got", actual)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func ok(err error) {
	if err != nil {
		panic(err)
	}
}

func fresh(what string) string {
	return fmt.Sprintf("tour.%s.%08x", what, rand.Uint32())
}

func client(options ...kgo.Opt) *kgo.Client {
	return must(kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...))
}

func makeTopic(ctx context.Context, partitions int32, configs map[string]*string) string {
	admin := kadm.NewClient(client())
	defer admin.Close()
	name := fresh("topic")
	must(admin.CreateTopic(ctx, partitions, 1, configs, name))
	return name
}

func send(ctx context.Context, topic string, partition int32, count int, options ...kgo.Opt) {
	producer := client(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	defer producer.Close()
	ok(producer.ProduceSync(ctx, numbered(topic, partition, count)...).FirstErr())
}

func numbered(topic string, partition int32, count int) []*kgo.Record {
	var records []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(i))})
	}
	return records
}

func reader(topic string, offset kgo.Offset, options ...kgo.Opt) *kgo.Client {
	from := map[string]map[int32]kgo.Offset{topic: {0: offset}}
	return client(append(options, kgo.ConsumePartitions(from), kgo.FetchMaxWait(500*time.Millisecond))...)
}

func take(ctx context.Context, consumer *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < count {
		fetches := consumer.PollFetches(ctx)
		ok(fetches.Err())
		records = append(records, fetches.Records()...)
	}
	equal("the number of records", len(records), count)
	return records
}

func nothing(ctx context.Context, consumer *kgo.Client) {
	short, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	equal("nothing more", values(consumer.PollFetches(short).Records()), []string(nil))
}

func values(records []*kgo.Record) []string {
	var texts []string
	for _, record := range records {
		texts = append(texts, string(record.Value))
	}
	return texts
}

func numbers(from, below int) []string {
	var texts []string
	for i := from; i < below; i++ {
		texts = append(texts, strconv.Itoa(i))
	}
	return texts
}

func roundTrip(ctx context.Context, codec kgo.CompressionCodec) {
	topic := makeTopic(ctx, 1, nil)
	headers := []kgo.RecordHeader{{Key: "text", Value: []byte("größer als 日本")}, {Key: "twice", Value: []byte{}},
		{Key: "twice", Value: []byte{0, 1, 255}}, {Key: "nothing"}}
	large := bytes.Repeat([]byte("0123456789"), 20_000)
	when := time.UnixMilli(1_000_000_000_000)
	producer := client(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	ok(producer.ProduceSync(ctx,
		&kgo.Record{Topic: topic, Key: []byte("key"), Value: []byte("value"), Headers: headers, Timestamp: when},
		&kgo.Record{Topic: topic, Key: []byte("tombstone")},
		&kgo.Record{Topic: topic, Value: []byte{}},
		&kgo.Record{Topic: topic, Key: []byte{}, Value: large}).FirstErr())
	consumer := reader(topic, kgo.NewOffset().AtStart())
	defer consumer.Close()
	records := take(ctx, consumer, 4)
	equal("the key", string(records[0].Key), "key")
	equal("the value", string(records[0].Value), "value")
	equal("the headers", records[0].Headers, headers)
	equal("the timestamp", records[0].Timestamp.UnixMilli(), when.UnixMilli())
	check("the tombstone", records[1].Value == nil && string(records[1].Key) == "tombstone", records[1])
	check("no key, and an empty value", records[2].Key == nil && records[2].Value != nil, records[2])
	equal("the large value", records[3].Value, large)
	for i, record := range records {
		equal("the offset", record.Offset, int64(i))
	}
}

func acknowledgements(ctx context.Context) {
	for _, acks := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
		topic := makeTopic(ctx, 1, nil)
		options := []kgo.Opt{kgo.RequiredAcks(acks)}
		if acks != kgo.AllISRAcks() {
			options = append(options, kgo.DisableIdempotentWrite())
		}
		send(ctx, topic, 0, 500, options...)
		consumer := reader(topic, kgo.NewOffset().AtStart())
		equal("the values", values(take(ctx, consumer, 500)), numbers(0, 500))
		consumer.Close()
	}
}

func positions(ctx context.Context) {
	topic := makeTopic(ctx, 1, nil)
	producer := client(kgo.DefaultProduceTopic(topic))
	defer producer.Close()
	for i := range 20 {
		record := &kgo.Record{Value: []byte(strconv.Itoa(i)), Timestamp: time.UnixMilli(1_000_000 + 10*int64(i))}
		ok(producer.ProduceSync(ctx, record).FirstErr())
	}
	for offset, first := range map[kgo.Offset]int{
		kgo.NewOffset().At(15):                15,
		kgo.NewOffset().AfterMilli(1_000_101): 11,
		kgo.NewOffset().AtEnd().Relative(-3):  17,
		kgo.NewOffset().AtStart().Relative(2): 2,
	} {
		consumer := reader(topic, offset)
		equal("from "+offset.String(), values(take(ctx, consumer, 20-first)), numbers(first, 20))
		consumer.Close()
	}
	consumer := reader(topic, kgo.NewOffset().AtEnd())
	defer consumer.Close()
	nothing(ctx, consumer)
	ok(producer.ProduceSync(ctx, kgo.StringRecord("new")).FirstErr())
	equal("what is new", values(take(ctx, consumer, 1)), []string{"new"})
}

func pause(ctx context.Context) {
	topic := makeTopic(ctx, 2, nil)
	consumer := client(kgo.ConsumeTopics(topic), kgo.FetchMaxWait(500*time.Millisecond))
	defer consumer.Close()
	consumer.PauseFetchPartitions(map[string][]int32{topic: {0}})
	send(ctx, topic, 0, 5)
	send(ctx, topic, 1, 5)
	for _, record := range take(ctx, consumer, 5) {
		equal("only the other one's", record.Partition, int32(1))
	}
	nothing(ctx, consumer)
	consumer.ResumeFetchPartitions(map[string][]int32{topic: {0}})
	equal("its own", take(ctx, consumer, 5)[0].Partition, int32(0))
}

func commitAndResume(ctx context.Context) {
	topic, group := makeTopic(ctx, 1, nil), fresh("group")
	send(ctx, topic, 0, 10)
	member := func() *kgo.Client {
		return client(kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit())
	}
	first := member()
	records := take(ctx, first, 10)
	ok(first.CommitRecords(ctx, records[:4]...))
	first.Close()
	second := member()
	defer second.Close()
	equal("the rest", values(take(ctx, second, 6)), numbers(4, 10))
}

func twoMembers(ctx context.Context, balancer kgo.GroupBalancer) {
	topic, group := makeTopic(ctx, 4, nil), fresh("group")
	member := func() *kgo.Client {
		return client(kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.Balancers(balancer),
			kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(6*time.Second))
	}
	admin := kadm.NewClient(client())
	defer admin.Close()
	settle := func(sizes ...int) {
		for ctx.Err() == nil {
			described := must(admin.DescribeGroups(ctx, group))[group]
			var found []int
			for _, each := range described.Members {
				assignment, isConsumer := each.Assigned.AsConsumer()
				if isConsumer && len(assignment.Topics) > 0 {
					found = append(found, len(assignment.Topics[0].Partitions))
				}
			}
			if described.State == "Stable" && reflect.DeepEqual(found, sizes) {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		panic("the partitions were not shared out")
	}
	one := member()
	defer one.Close()
	settle(4)
	two := member()
	settle(2, 2)
	two.Close()
	settle(4)
}

func transactions(ctx context.Context) {
	topic := makeTopic(ctx, 1, nil)
	producer := client(kgo.TransactionalID(fresh("txn")), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		ok(producer.BeginTransaction())
		ok(producer.ProduceSync(ctx, numbered(topic, 0, 5)...).FirstErr())
		ok(producer.EndTransaction(ctx, end))
	}
	consumer := reader(topic, kgo.NewOffset().AtStart(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer consumer.Close()
	records := take(ctx, consumer, 10)
	equal("the values", values(records), append(numbers(0, 5), numbers(0, 5)...))
	equal("the first offset", records[0].Offset, int64(6))
	nothing(ctx, consumer)
}

func copyExactlyOnce(ctx context.Context) {
	source, target, group := makeTopic(ctx, 1, nil), makeTopic(ctx, 1, nil), fresh("group")
	send(ctx, source, 0, 100)
	for round := range 2 {
		session := must(kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(source), kgo.TransactionalID(fresh("txn")), kgo.RequireStableFetchOffsets(),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MaxBufferedRecords(1000)))
		if round == 0 {
			// The first copies everything, but does not mean it.
			fetches := session.PollFetches(ctx)
			ok(session.Begin())
			for _, record := range fetches.Records() {
				session.Produce(ctx, &kgo.Record{Topic: target, Value: append(record.Value, "aborted"...)}, nil)
			}
			must(session.End(ctx, kgo.TryAbort))
		} else {
			for copied := 0; copied < 100; {
				fetches := session.PollRecords(ctx, 30)
				ok(session.Begin())
				for _, record := range fetches.Records() {
					session.Produce(ctx, &kgo.Record{Topic: target, Value: record.Value}, nil)
					copied++
				}
				check("committed", must(session.End(ctx, kgo.TryCommit)))
			}
		}
		session.Close()
	}
	consumer := reader(target, kgo.NewOffset().AtStart(), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer consumer.Close()
	equal("each once", values(take(ctx, consumer, 100)), numbers(0, 100))
	nothing(ctx, consumer)
}

func largeRecord(ctx context.Context) {
	topic := makeTopic(ctx, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("100000")})
	producer := client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(1_000_000),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	ok(producer.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 90_000)}).FirstErr())
	err := producer.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 200_000)}).FirstErr()
	check("too large", errors.Is(err, kerr.MessageTooLarge), err)
}

func administration(ctx context.Context) {
	admin := kadm.NewClient(client())
	defer admin.Close()
	topic := makeTopic(ctx, 2, map[string]*string{"retention.ms": kadm.StringPtr("60000")})
	_, err := admin.CreateTopic(ctx, 1, 1, nil, topic)
	check("twice", errors.Is(err, kerr.TopicAlreadyExists), err)
	configs := must(admin.DescribeTopicConfigs(ctx, topic))
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			equal("a setting", config.MaybeValue(), "60000")
		}
	}
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.bytes", Value: kadm.StringPtr("1000000")}}
	ok(must(admin.AlterTopicConfigs(ctx, change, topic))[0].Err)
	ok(must(admin.CreatePartitions(ctx, 1, topic))[topic].Err)
	equal("the partitions", len(must(admin.ListTopics(ctx, topic))[topic].Partitions), 3)
	send(ctx, topic, 0, 10)
	until := kadm.Offsets{}
	until.AddOffset(topic, 0, 4, -1)
	deleted := must(admin.DeleteRecords(ctx, until))
	equal("the low watermark", deleted[topic][0].LowWatermark, int64(4))
	start, _ := must(admin.ListStartOffsets(ctx, topic)).Lookup(topic, 0)
	end, _ := must(admin.ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	equal("the offsets", []int64{start.Offset, end.Offset}, []int64{4, 10})

	group := fresh("group")
	commits := kadm.Offsets{}
	commits.AddOffset(topic, 0, 7, -1)
	ok(admin.CommitAllOffsets(ctx, group, commits))
	at, _ := must(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
	equal("the committed offset", at.At, int64(7))
	lag := must(admin.Lag(ctx, group))[group]
	ok(lag.Error())
	equal("the lag", lag.Lag.Total(), int64(3))
	ok(must(admin.DeleteGroups(ctx, group))[group].Err)
	must(admin.DeleteTopics(ctx, topic))
	check("it is gone", !must(admin.ListTopics(ctx)).Has(topic), topic)
}

func logIn(ctx context.Context) {
	topic := makeTopic(ctx, 1, nil)
	login := func(password string) *kgo.Client {
		return must(kgo.NewClient(kgo.SeedBrokers(saslBootstrap), kgo.DefaultProduceTopic(topic),
			kgo.SASL(plain.Auth{User: "guest", Pass: password}.AsMechanism())))
	}
	right, wrong := login("guest"), login("wrong")
	defer right.Close()
	defer wrong.Close()
	ok(right.ProduceSync(ctx, kgo.StringRecord("value")).FirstErr())
	err := wrong.Ping(ctx)
	check("a wrong password", errors.Is(err, kerr.SaslAuthenticationFailed), err)
}

func logInByScram(ctx context.Context) {
	// Who has not logged in administers nothing.
	admin := kadm.NewClient(must(kgo.NewClient(kgo.SeedBrokers(saslBootstrap),
		kgo.SASL(plain.Auth{User: "guest", Pass: "guest"}.AsMechanism()))))
	defer admin.Close()
	user := fresh("user")
	upsert := kadm.UpsertSCRAM{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "the password"}
	ok(must(admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{upsert}))[user].Err)
	login := scram.Auth{User: user, Pass: "the password"}
	for {
		authenticated := must(kgo.NewClient(kgo.SeedBrokers(saslBootstrap), kgo.SASL(login.AsSha512Mechanism())))
		err := authenticated.Ping(ctx)
		authenticated.Close()
		// In Kafka it takes a moment until a broker knows.
		if err == nil {
			break
		}
		check("in time", ctx.Err() == nil, err)
	}
	must(admin.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: user, Mechanism: kadm.ScramSha512}}, nil))
}
