import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

/** Each operation's words begin with the bucket; it finds credentials and region in the environment. */
final class Sdk implements AutoCloseable {
    private final S3Client client;
    private final S3AsyncClient parts;
    private final S3TransferManager transfers;
    private final S3Presigner presigner;

    Sdk(URI endpoint) {
        client = S3Client.builder().endpointOverride(endpoint).forcePathStyle(true).build();
        parts = S3AsyncClient.builder().endpointOverride(endpoint).forcePathStyle(true).multipartEnabled(true).build();
        transfers = S3TransferManager.builder().s3Client(parts).build();
        S3Configuration style = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        presigner = S3Presigner.builder().endpointOverride(endpoint).serviceConfiguration(style).build();
    }

    List<String> put(List<String> words) {
        RequestBody body = RequestBody.fromFile(Path.of(words.get(2)));
        String sum = client.putObject(to -> to.bucket(words.get(0)).key(words.get(1)), body).checksumCRC32();
        return List.of(sum == null ? "" : sum);
    }

    List<String> get(List<String> words) throws Exception {
        Files.deleteIfExists(Path.of(words.get(2)));
        client.getObject(from -> from.bucket(words.get(0)).key(words.get(1)), Path.of(words.get(2)));
        return List.of();
    }

    List<String> head(List<String> words) {
        HeadObjectResponse answer = client.headObject(of -> of.bucket(words.get(0)).key(words.get(1)));
        return List.of(String.valueOf(answer.contentLength()), answer.eTag());
    }

    List<String> list(List<String> words) {
        return client.listObjectsV2Paginator(of -> of.bucket(words.get(0)).prefix(words.get(1))
            .maxKeys(Integer.valueOf(words.get(2)))).contents().stream().map(S3Object::key).toList();
    }

    List<String> copy(List<String> words) {
        client.copyObject(as -> as.sourceBucket(words.get(0)).sourceKey(words.get(1))
            .destinationBucket(words.get(0)).destinationKey(words.get(2)));
        return List.of();
    }

    List<String> delete(List<String> words) {
        client.deleteObject(of -> of.bucket(words.get(0)).key(words.get(1)));
        return List.of();
    }

    List<String> deleteMany(List<String> words) {
        List<ObjectIdentifier> objects = words.subList(1, words.size()).stream()
            .map(key -> ObjectIdentifier.builder().key(key).build()).toList();
        return client.deleteObjects(of -> of.bucket(words.get(0)).delete(those -> those.objects(objects)))
            .errors().stream().map(error -> error.key() + ": " + error.code()).toList();
    }

    List<String> upload(List<String> words) {
        return List.of(transfers.uploadFile(of -> of.source(Path.of(words.get(2)))
            .putObjectRequest(to -> to.bucket(words.get(0)).key(words.get(1))))
            .completionFuture().join().response().eTag());
    }

    List<String> download(List<String> words) {
        transfers.downloadFile(of -> of.destination(Path.of(words.get(2)))
            .getObjectRequest(from -> from.bucket(words.get(0)).key(words.get(1)))).completionFuture().join();
        return List.of();
    }

    List<String> presign(List<String> words) {
        Duration minute = Duration.ofMinutes(1);
        if (words.get(2).equals("PUT")) {
            return List.of(presigner.presignPutObject(of -> of.signatureDuration(minute)
                .putObjectRequest(to -> to.bucket(words.get(0)).key(words.get(1)))).url().toString());
        }
        return List.of(presigner.presignGetObject(of -> of.signatureDuration(minute)
            .getObjectRequest(from -> from.bucket(words.get(0)).key(words.get(1)))).url().toString());
    }

    @Override
    public void close() {
        presigner.close();
        transfers.close();
        parts.close();
        client.close();
    }
}
