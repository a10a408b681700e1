import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import software.amazon.awssdk.awscore.exception.AwsServiceException;

/** The Java SDK v2 and Hadoop's S3A with their defaults, driven line by line: see ../../driver.py. */
public final class Main {
    interface Operation {
        List<String> carryOut(List<String> words) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        URI endpoint = URI.create(System.getenv("ENDPOINT"));
        try (Sdk sdk = new Sdk(endpoint); HadoopFiles files = new HadoopFiles(endpoint)) {
            Map<String, Operation> operations = Map.ofEntries(
                Map.entry("put", sdk::put), Map.entry("get", sdk::get), Map.entry("head", sdk::head),
                Map.entry("list", sdk::list), Map.entry("copy", sdk::copy), Map.entry("delete", sdk::delete),
                Map.entry("deletemany", sdk::deleteMany), Map.entry("upload", sdk::upload),
                Map.entry("download", sdk::download), Map.entry("presign", sdk::presign),
                Map.entry("fs-write", files::write), Map.entry("fs-read", files::read),
                Map.entry("fs-list", files::list), Map.entry("fs-status", files::status),
                Map.entry("fs-mkdirs", files::mkdirs), Map.entry("fs-rename", files::rename),
                Map.entry("fs-delete", files::delete), Map.entry("fs-commit", files::commit));
            PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                List<String> words = Arrays.stream(line.split(" "))
                    .map(word -> URLDecoder.decode(word, StandardCharsets.UTF_8)).toList();
                out.println(answer(operations.get(words.get(0)), words.subList(1, words.size())).stream()
                    .map(word -> URLEncoder.encode(word, StandardCharsets.UTF_8).replace("+", "%20"))
                    .collect(Collectors.joining(" ")));
            }
        }
        // Pools of threads of the SDK and of Hadoop outlive their clients.
        System.exit(0);
    }

    private static List<String> answer(Operation operation, List<String> words) {
        List<String> answer = new ArrayList<>();
        try {
            answer.add("ok");
            answer.addAll(operation.carryOut(words));
            return answer;
        } catch (Exception failure) {
            Throwable cause = failure;
            while (!(cause instanceof AwsServiceException) && cause.getCause() != null) {
                cause = cause.getCause();
            }
            String code = cause instanceof AwsServiceException refused && refused.awsErrorDetails() != null
                ? String.valueOf(refused.awsErrorDetails().errorCode()) : cause.getClass().getSimpleName();
            return List.of("error", code, failure + ": " + cause.getMessage());
        }
    }
}
