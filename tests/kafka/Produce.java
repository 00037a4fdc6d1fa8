// Sends JSON lines to a topic, with Kafka's own client: dev/kafka java tests/kafka/Produce.java BROKERS TOPIC …

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** One run: where the lines come from and how each becomes a record. */
public final class Produce {
    private static final String USAGE = """
            Produce BROKERS TOPIC [--file FILE]   lines of a file, else of the standard input
              --partitions N        create the topic if it is not there
              --config NAME=VALUE   of the created topic
              --key FIELD           the key is this field of the value
              --partition FIELD     the partition is this field; else it is chosen by the key
              --timestamp FIELD     the record's time is this field, milliseconds
              --header NAME=VALUE   on every record
              --envelope            a line is not the value but says it:
                {"key":…,"partition":…,"timestamp":…,"headers":{…},"value":TEXT, JSON or null,"value_base64":…}
              --transaction ID      transactions; lines "begin", "commit" and "abort" bound them
            What is open at the end of the lines is committed, or with --leave-open left as it is.
            """;

    private final Map<String, List<String>> options = new java.util.HashMap<>();
    private final ObjectMapper json = new ObjectMapper();
    private final AtomicReference<Exception> failed = new AtomicReference<>();
    private String topic;
    private boolean open;
    private long sent;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 2) {
            System.err.print(USAGE);
            System.exit(64);
        }
        new Produce().run(arguments);
    }

    private void run(String[] arguments) throws Exception {
        topic = arguments[1];
        for (int at = 2; at < arguments.length; at++) {
            String name = arguments[at].substring(2);
            boolean flag = name.equals("envelope") || name.equals("leave-open");
            options.computeIfAbsent(name, key -> new java.util.ArrayList<>()).add(flag ? "" : arguments[++at]);
        }
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("enable.idempotence", "true");
        properties.put("linger.ms", "5");
        option("transaction").ifPresent(id -> properties.put("transactional.id", id));
        if (option("partitions").isPresent()) {
            create(properties, Integer.parseInt(option("partitions").get()));
        }
        var bytes = new ByteArraySerializer();
        var producer = new KafkaProducer<>(properties, bytes, bytes);
        if (option("transaction").isPresent()) {
            producer.initTransactions();
        }
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(input(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                take(producer, line);
            }
        }
        producer.flush();
        check();
        if (open && options.containsKey("leave-open")) {
            say();
            Runtime.getRuntime().halt(0); // closing would abort
        }
        if (open) {
            producer.commitTransaction();
        }
        producer.close();
        say();
    }

    private void say() {
        System.out.println("{\"sent\":" + sent + "}");
        System.out.flush();
    }

    private InputStream input() throws Exception {
        return option("file").isPresent() ? Files.newInputStream(Path.of(option("file").get())) : System.in;
    }

    private void take(KafkaProducer<byte[], byte[]> producer, String line) throws Exception {
        check();
        switch (line) {
            case "begin" -> {
                producer.beginTransaction();
                open = true;
            }
            case "commit" -> {
                producer.commitTransaction();
                open = false;
            }
            case "abort" -> {
                producer.flush(); // so that what is taken back was in the log
                producer.abortTransaction();
                open = false;
            }
            default -> {
                producer.send(record(line), (where, error) -> failed.compareAndSet(null, error));
                sent++;
            }
        }
    }

    private void check() throws Exception {
        if (failed.get() != null) {
            throw failed.get();
        }
    }

    private ProducerRecord<byte[], byte[]> record(String line) throws Exception {
        boolean parsed = options.keySet().stream().anyMatch(List.of("envelope", "key", "partition", "timestamp")::contains);
        JsonNode node = parsed ? json.readTree(line) : null;
        boolean envelope = options.containsKey("envelope");
        byte[] value = envelope ? value(node) : line.getBytes(StandardCharsets.UTF_8);
        JsonNode key = field(node, "key", envelope);
        JsonNode partition = field(node, "partition", envelope);
        JsonNode timestamp = field(node, "timestamp", envelope);
        var record = new ProducerRecord<>(
                topic,
                partition == null ? null : partition.asInt(),
                timestamp == null ? null : timestamp.asLong(),
                key == null ? null : key.asText().getBytes(StandardCharsets.UTF_8),
                value);
        for (String header : options.getOrDefault("header", List.of())) {
            String[] parts = header.split("=", 2);
            record.headers().add(parts[0], parts[1].getBytes(StandardCharsets.UTF_8));
        }
        if (envelope && node.has("headers")) {
            JsonNode headers = node.get("headers");
            headers.fieldNames().forEachRemaining(name -> record.headers()
                    .add(name, headers.get(name).asText().getBytes(StandardCharsets.UTF_8)));
        }
        return record;
    }

    /** A part of the record: named so in an envelope, else the field that the option names. */
    private JsonNode field(JsonNode node, String part, boolean envelope) {
        if (!envelope && option(part).isEmpty()) {
            return null;
        }
        JsonNode found = node.get(envelope ? part : option(part).get());
        return found == null || found.isNull() ? null : found;
    }

    private byte[] value(JsonNode node) {
        if (node.has("value_base64")) {
            return Base64.getDecoder().decode(node.get("value_base64").asText());
        }
        JsonNode value = node.get("value");
        if (value == null || value.isNull()) {
            return null;
        }
        return (value.isTextual() ? value.asText() : value.toString()).getBytes(StandardCharsets.UTF_8);
    }

    private Optional<String> option(String name) {
        return Optional.ofNullable(options.get(name)).map(values -> values.get(0));
    }

    private void create(Properties properties, int partitions) throws Exception {
        var configuration = new java.util.HashMap<String, String>();
        for (String setting : options.getOrDefault("config", List.of())) {
            configuration.put(setting.split("=", 2)[0], setting.split("=", 2)[1]);
        }
        Properties known = new Properties();
        known.put("bootstrap.servers", properties.get("bootstrap.servers"));
        try (Admin admin = Admin.create(known)) {
            var wanted = new NewTopic(topic, Optional.of(partitions), Optional.empty()).configs(configuration);
            admin.createTopics(List.of(wanted)).all().get();
            while (!admin.listTopics().names().get().contains(topic)) {
                Thread.sleep(20);
            }
        } catch (java.util.concurrent.ExecutionException error) {
            if (!(error.getCause() instanceof TopicExistsException)) {
                throw error;
            }
        }
    }
}
