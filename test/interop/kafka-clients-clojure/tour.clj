;; What an application relies on, from Clojure through Kafka's Java client: each step is one thing that it does, and
;; checks that it came out so. The broker is at KAFKA_BOOTSTRAP. All of it holds for Apache Kafka too.
(ns tour
  (:import (java.time Duration)
           (java.util UUID)
           (org.apache.kafka.clients.admin Admin NewTopic OffsetSpec)
           (org.apache.kafka.clients.consumer ConsumerRecord KafkaConsumer OffsetAndMetadata)
           (org.apache.kafka.clients.producer KafkaProducer ProducerRecord)
           (org.apache.kafka.common TopicPartition)
           (org.apache.kafka.common.serialization StringDeserializer StringSerializer)))

(def bootstrap (or (System/getenv "KAFKA_BOOTSTRAP") "127.0.0.1:9092"))
(def patience-ms 20000)

(defn config [options]
  (merge {"bootstrap.servers" bootstrap} options))

(defn fresh [what]
  (str "tour." what "." (subs (str (UUID/randomUUID)) 0 8)))

(defn check-equal [what actual expected]
  (when (not= actual expected)
    (throw (ex-info (str what ": expected " (pr-str expected) ", got " (pr-str actual)) {}))))

(defn make-topic [partitions]
  (let [topic (fresh "topic")]
    (with-open [admin (Admin/create ^java.util.Map (config {}))]
      (.get (.all (.createTopics admin [(NewTopic. topic (int partitions) (short 1))]))))
    topic))

(defn producer [options]
  (KafkaProducer. ^java.util.Map (config options) (StringSerializer.) (StringSerializer.)))

(defn consumer [options]
  (KafkaConsumer. ^java.util.Map (config (merge {"auto.offset.reset" "earliest" "enable.auto.commit" "false"} options))
                  (StringDeserializer.) (StringDeserializer.)))

(defn send-all [topic values options]
  (with-open [out (producer options)]
    (run! #(.get %) (mapv #(.send out (ProducerRecord. topic (str "key " %) (str %))) values))))

(defn polled [in ms]
  (seq (.poll in (Duration/ofMillis ms))))

(defn take-records [in n]
  (let [end (+ (System/currentTimeMillis) patience-ms)]
    (loop [records []]
      (cond
        (>= (count records) n) records
        (> (System/currentTimeMillis) end) (throw (ex-info (str (count records) " of " n " records came") {}))
        :else (recur (into records (polled in 200)))))))

(defn values [records]
  (map #(.value ^ConsumerRecord %) records))

(defn numbers [from below]
  (map str (range from below)))

(defn in-order [codec]
  (let [topic (make-topic 1)]
    (send-all topic (range 500) {"compression.type" codec})
    (with-open [in (consumer {})]
      (.assign in [(TopicPartition. topic 0)])
      (check-equal "the values" (values (take-records in 500)) (numbers 0 500)))))

(defn commit-and-resume []
  (let [topic (make-topic 1)
        group (fresh "group")
        partition (TopicPartition. topic 0)]
    (send-all topic (range 10) {})
    (with-open [in (consumer {"group.id" group "max.poll.records" (int 4)})]
      (.subscribe in [topic])
      (check-equal "the first" (values (take-records in 4)) (numbers 0 4))
      (.commitSync in {partition (OffsetAndMetadata. 4 "so far")}))
    (with-open [in (consumer {"group.id" group "group.protocol" "consumer"})]
      (.subscribe in [topic])
      (check-equal "the rest, by the new protocol" (values (take-records in 6)) (numbers 4 10))
      (check-equal "the offset" (get (.committed in #{partition}) partition) (OffsetAndMetadata. 4 "so far")))))

(defn transactions []
  (let [topic (make-topic 1)]
    (with-open [out (producer {"transactional.id" (fresh "txn")})]
      (.initTransactions out)
      (doseq [outcome ["aborted" "committed" "aborted" "committed"]]
        (.beginTransaction out)
        (.send out (ProducerRecord. topic outcome))
        (.flush out)
        (if (= outcome "committed") (.commitTransaction out) (.abortTransaction out))))
    (with-open [in (consumer {"isolation.level" "read_committed"})]
      (.assign in [(TopicPartition. topic 0)])
      (check-equal "the values" (values (take-records in 2)) ["committed" "committed"])
      (check-equal "nothing more" (polled in 500) nil))))

(defn administration []
  (let [topic (make-topic 3)
        partition (TopicPartition. topic 0)]
    (with-open [admin (Admin/create ^java.util.Map (config {}))]
      (let [description (-> admin (.describeTopics [topic]) .allTopicNames .get (get topic))]
        (check-equal "the partitions" (count (.partitions description)) 3))
      (check-equal "the end" (-> admin (.listOffsets {partition (OffsetSpec/latest)}) (.partitionResult partition) .get .offset) 0)
      (.get (.all (.deleteTopics admin [topic])))
      (check-equal "it is gone" (contains? (-> admin .listTopics .names .get set) topic) false))))

(def steps
  (concat
   (for [codec ["none" "gzip" "snappy" "lz4" "zstd"]]
     [(str "all records arrive, in order, compressed with " codec) #(in-order codec)])
   [["a group goes on where it has committed" commit-and-resume]
    ["what is committed is read, what is aborted is not" transactions]
    ["topics and offsets are administered" administration]]))

(def failures
  (doall
   (for [[title run] steps
         :let [error (try (run) nil (catch Throwable error error))]]
     (do (println (if error "FAILED" "ok") title)
         (when error (println error))
         (some? error)))))

(System/exit (if (some true? failures) 1 0))
