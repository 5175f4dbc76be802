import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** The command line of both clients, and what they share of a summary. */
final class Options {
    private final Map<String, String> given = new LinkedHashMap<>();

    Options(String[] arguments) {
        for (int at = 0; at + 1 < arguments.length; at += 2) {
            given.put(arguments[at], arguments[at + 1]);
        }
    }

    String text(String name) {
        String value = given.get("--" + name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    long number(String name) {
        return Long.parseLong(text(name));
    }

    /** `0-7` is how many partitions: 8. */
    int partitions() {
        String range = text("partitions");
        return Integer.parseInt(range.substring(range.indexOf('-') + 1)) + 1;
    }

    /** How often something was said. */
    static final class Counts {
        private final Map<String, Long> counts = new TreeMap<>();

        synchronized void add(String what) {
            counts.merge(what, 1L, Long::sum);
        }

        synchronized String json() {
            StringBuilder json = new StringBuilder("{");
            counts.forEach((what, count) ->
                json.append(json.length() > 1 ? "," : "").append('"').append(what).append("\":").append(count));
            return json.append('}').toString();
        }
    }
}
