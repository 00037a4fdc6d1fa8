// Prints the partition that Kafka's own client gives each key: dev/kafka java tests/kafka/Partition.java N < KEYS

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/** Keys are lines of text; a line of output is the partition, a tab, and the key. */
public final class Partition {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("Partition NUMBER_OF_PARTITIONS");
            System.exit(64);
        }
        int partitions = Integer.parseInt(arguments[0]);
        var keys = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String key = keys.readLine(); key != null; key = keys.readLine()) {
            byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
            System.out.println(BuiltInPartitioner.partitionForKey(bytes, partitions) + "\t" + key);
        }
    }
}
