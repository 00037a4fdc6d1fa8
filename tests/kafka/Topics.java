// Makes, grows, cuts and deletes topics, with Kafka's own client: dev/kafka java tests/kafka/Topics.java BROKERS

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;

/** Each line of the standard input is one thing to do; all are done in order. */
public final class Topics {
    private static final String USAGE = """
            Topics BROKERS, with lines on the standard input:
              create NAME PARTITIONS [COPIES [SETTING=VALUE]…]
                COPIES as 2:3 puts every partition on these nodes, the first of which leads
              grow NAME PARTITIONS     to that many
              cut NAME [OFFSET]        removes what is before the offset of each partition, else everything
              delete NAME
              list                     prints names and identities
            """;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.print(USAGE);
            System.exit(64);
        }
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        try (Admin admin = Admin.create(properties);
                var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                act(admin, List.of(line.split(" ")));
            }
        }
    }

    private static void act(Admin admin, List<String> words) throws Exception {
        switch (words.get(0)) {
            case "create" -> create(admin, words);
            case "grow" -> {
                var more = Map.of(words.get(1), NewPartitions.increaseTo(Integer.parseInt(words.get(2))));
                admin.createPartitions(more).all().get();
            }
            case "cut" -> cut(admin, words.get(1), words.size() > 2 ? Long.parseLong(words.get(2)) : -1);
            case "delete" -> {
                admin.deleteTopics(List.of(words.get(1))).all().get();
                while (admin.listTopics().names().get().contains(words.get(1))) {
                    Thread.sleep(20);
                }
            }
            case "list" -> {
                for (var topic : admin.listTopics().listings().get()) {
                    System.out.println(topic.name() + " " + topic.topicId());
                }
            }
            default -> throw new IllegalArgumentException(String.join(" ", words));
        }
    }

    private static void create(Admin admin, List<String> words) throws Exception {
        var settings = new HashMap<String, String>();
        for (String setting : words.subList(Math.min(4, words.size()), words.size())) {
            settings.put(setting.split("=", 2)[0], setting.split("=", 2)[1]);
        }
        int partitions = Integer.parseInt(words.get(2));
        String copies = words.size() > 3 ? words.get(3) : "";
        NewTopic topic;
        if (copies.contains(":")) {
            List<Integer> nodes = Stream.of(copies.split(":")).map(Integer::valueOf).toList();
            var places = new HashMap<Integer, List<Integer>>();
            IntStream.range(0, partitions).forEach(partition -> places.put(partition, nodes));
            topic = new NewTopic(words.get(1), places);
        } else {
            Optional<Short> number = copies.isEmpty() ? Optional.empty() : Optional.of(Short.valueOf(copies));
            topic = new NewTopic(words.get(1), Optional.of(partitions), number);
        }
        admin.createTopics(List.of(topic.configs(settings))).all().get();
    }

    private static void cut(Admin admin, String topic, long offset) throws Exception {
        var all = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
        var before = new HashMap<TopicPartition, RecordsToDelete>();
        for (var info : all) {
            var partition = new TopicPartition(topic, info.partition());
            var ends = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).all().get();
            long end = ends.get(partition).offset();
            before.put(partition, RecordsToDelete.beforeOffset(offset < 0 ? end : Math.min(offset, end)));
        }
        admin.deleteRecords(before).all().get();
    }
}
