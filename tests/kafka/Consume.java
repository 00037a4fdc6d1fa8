// Prints what a topic holds, with Kafka's own client: dev/kafka java tests/kafka/Consume.java BROKERS TOPIC … [OPTIONS]

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads all partitions from their beginning to their stable end as of now, or on and on. */
public final class Consume {
    private static final String USAGE = """
            Consume BROKERS TOPIC … [--uncommitted] [--follow] [--ends]
              --uncommitted   also what is not committed or was aborted
              --follow        goes on until it is ended, and says when each record arrived
              --ends          instead of records, the first offset and the end of each partition
            A line is {"topic":…,"partition":…,"offset":…,"timestamp":…,"key":…,"headers":{…},"value":TEXT or null}.
            Bytes that are not text are in value_base64 and key_base64. A topic that is not there holds nothing.
            """;

    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        var topics = new ArrayList<String>();
        var flags = new ArrayList<String>();
        for (String argument : arguments) {
            (argument.startsWith("--") ? flags : topics).add(argument);
        }
        if (topics.size() < 2 || !List.of("--uncommitted", "--follow", "--ends").containsAll(flags)) {
            System.err.print(USAGE);
            System.exit(64);
        }
        Properties properties = new Properties();
        properties.put("bootstrap.servers", topics.remove(0));
        properties.put("isolation.level", flags.contains("--uncommitted") ? "read_uncommitted" : "read_committed");
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("allow.auto.create.topics", "false");
        properties.put("max.poll.records", "5000");
        properties.put("fetch.max.wait.ms", "50");
        properties.put("metadata.max.age.ms", "1000");
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(properties, bytes, bytes);
                var out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8))) {
            read(consumer, topics, flags, out);
        }
    }

    private static void read(
            KafkaConsumer<byte[], byte[]> consumer, List<String> topics, List<String> flags, BufferedWriter out)
            throws Exception {
        boolean follow = flags.contains("--follow");
        List<TopicPartition> partitions = partitions(consumer, topics);
        consumer.assign(partitions);
        Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
        if (flags.contains("--ends")) {
            for (TopicPartition partition : partitions) {
                out.write(String.format(
                        "{\"topic\":\"%s\",\"partition\":%d,\"first\":%d,\"end\":%d}%n",
                        partition.topic(), partition.partition(), starts.get(partition), ends.get(partition)));
            }
            return;
        }
        consumer.seekToBeginning(partitions);
        long looked = System.currentTimeMillis();
        // The position passes control records, which the last record does not.
        while (follow || partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                write(record, follow, out);
            }
            if (follow) {
                out.flush();
                if (System.currentTimeMillis() - looked > 1000) {
                    looked = System.currentTimeMillis();
                    List<TopicPartition> now = partitions(consumer, topics);
                    if (now.size() > partitions.size()) {
                        partitions = now;
                        consumer.assign(partitions); // keeps the position of those it has
                    }
                }
            }
        }
    }

    private static List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer, List<String> topics) {
        var found = new ArrayList<TopicPartition>();
        for (String topic : topics) {
            try {
                for (var info : consumer.partitionsFor(topic)) {
                    found.add(new TopicPartition(topic, info.partition()));
                }
            } catch (UnknownTopicOrPartitionException | NullPointerException absent) {
                continue;
            }
        }
        found.sort(java.util.Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition));
        return found;
    }

    private static void write(ConsumerRecord<byte[], byte[]> record, boolean follow, BufferedWriter out)
            throws Exception {
        ObjectNode line = JSON.createObjectNode();
        line.put("topic", record.topic());
        line.put("partition", record.partition());
        line.put("offset", record.offset());
        line.put("timestamp", record.timestamp());
        put(line, "key", record.key());
        if (record.headers().toArray().length > 0) {
            ObjectNode headers = line.putObject("headers");
            for (Header header : record.headers()) {
                put(headers, header.key(), header.value());
            }
        }
        put(line, "value", record.value());
        if (follow) {
            line.put("arrived_ms", System.currentTimeMillis());
        }
        out.write(JSON.writeValueAsString(line));
        out.write('\n');
    }

    /** Text as it is, other bytes in base64 under a name that says so, nothing as null. */
    private static void put(ObjectNode line, String name, byte[] bytes) {
        if (bytes == null) {
            line.putNull(name);
            return;
        }
        try {
            line.put(name, StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
        } catch (CharacterCodingException notText) {
            line.put(name + "_base64", Base64.getEncoder().encodeToString(bytes));
        }
    }
}
