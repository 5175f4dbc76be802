import java.util.LinkedHashMap;
import java.util.Map;

/** The command line: pairs of `--name value`. */
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

    boolean has(String name) {
        return given.containsKey("--" + name);
    }

    long number(String name) {
        return Long.parseLong(text(name));
    }
}
