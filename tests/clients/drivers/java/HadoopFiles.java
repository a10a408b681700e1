import java.net.URI;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.s3a.commit.magic.MagicS3GuardCommitter;
import org.apache.hadoop.mapreduce.TaskAttemptContext;
import org.apache.hadoop.mapreduce.TaskAttemptID;
import org.apache.hadoop.mapreduce.TaskID;
import org.apache.hadoop.mapreduce.TaskType;
import org.apache.hadoop.mapreduce.task.TaskAttemptContextImpl;

/** Hadoop's file system over S3. Paths are s3a://BUCKET/KEY. */
final class HadoopFiles implements AutoCloseable {
    private final Configuration configuration = new Configuration();

    HadoopFiles(URI endpoint) {
        configuration.set("fs.s3a.endpoint", endpoint.toString());
        configuration.set("fs.s3a.endpoint.region", System.getenv("AWS_REGION"));
        configuration.setBoolean("fs.s3a.path.style.access", true);
        // So that a test of 20 MiB has parts; every other setting is Hadoop's default.
        configuration.set("fs.s3a.multipart.size", "5M");
        configuration.set("fs.s3a.multipart.threshold", "10M");
    }

    private FileSystem of(Path path) throws Exception {
        return path.getFileSystem(configuration);
    }

    List<String> write(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        try (FSDataOutputStream out = of(path).create(path)) {
            Files.copy(java.nio.file.Path.of(words.get(1)), out);
        }
        return List.of();
    }

    List<String> read(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        java.nio.file.Path to = java.nio.file.Path.of(words.get(1));
        Files.deleteIfExists(to);
        try (FSDataInputStream in = of(path).open(path)) {
            Files.copy(in, to);
        }
        return List.of();
    }

    /** Files below a path, as paths from there. */
    List<String> list(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        String above = of(path).makeQualified(path) + "/";
        List<String> found = new ArrayList<>();
        RemoteIterator<LocatedFileStatus> files = of(path).listFiles(path, true);
        while (files.hasNext()) {
            found.add(files.next().getPath().toString().replace(above, ""));
        }
        return found;
    }

    List<String> status(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        FileStatus status = of(path).getFileStatus(path);
        return List.of(status.isDirectory() ? "directory" : "file", String.valueOf(status.getLen()));
    }

    List<String> mkdirs(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        return List.of(String.valueOf(of(path).mkdirs(path)));
    }

    List<String> rename(List<String> words) throws Exception {
        Path from = new Path(words.get(0));
        return List.of(String.valueOf(of(from).rename(from, new Path(words.get(1)))));
    }

    List<String> delete(List<String> words) throws Exception {
        Path path = new Path(words.get(0));
        return List.of(String.valueOf(of(path).delete(path, true)));
    }

    /** A job of two tasks, of which each writes one file: nothing has a name before the job is committed.
     *
     * Between the tasks' commits and the job's, what can be seen at the destination is part of the answer.
     */
    List<String> commit(List<String> words) throws Exception {
        Path destination = new Path(words.get(0));
        configuration.set("fs.s3a.committer.name", "magic");
        MagicS3GuardCommitter job = null;
        TaskAttemptContext of = null;
        for (int number = 0; number < 2; number++) {
            TaskID task = new TaskID("20260101", 1, TaskType.MAP, number);
            of = new TaskAttemptContextImpl(configuration, new TaskAttemptID(task, 0));
            configuration.set("mapreduce.job.application.attempt.id", "0");
            job = new MagicS3GuardCommitter(destination, of);
            if (number == 0) {
                job.setupJob(of);
            }
            job.setupTask(of);
            Path file = new Path(job.getTaskAttemptPath(of), "part-" + number);
            try (FSDataOutputStream out = of(file).create(file)) {
                Files.copy(java.nio.file.Path.of(words.get(1)), out);
            }
            job.commitTask(of);
        }
        List<String> before = list(List.of(words.get(0)));
        job.commitJob(of);
        return before;
    }

    @Override
    public void close() throws Exception {
        FileSystem.closeAll();
    }
}
