// SPDX-License-Identifier: MIT
// Iceberg's Java library as a judge. Prints JSON; tables are local, one folder each.
//
//   IcebergJudge equality FOLDER                  tables with equality deletes, and the rows that Java reads of each snapshot
//   IcebergJudge large FOLDER FILES COMMITS       a table of many data files (metadata only), for planning
//   IcebergJudge validate METADATA                a table as of that metadata file: its rows, and what is wrong with its manifests
//   IcebergJudge time FOLDER ROUNDS all|one       how long planning it takes, or one partition of it: the first time in
//                                                 this process, cold (nothing of the table in memory), warm; in ms

import java.nio.ByteBuffer;
import java.util.*;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.*;
import org.apache.iceberg.data.*;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.expressions.*;
import org.apache.iceberg.hadoop.HadoopTables;
import org.apache.iceberg.io.*;
import org.apache.iceberg.types.*;

public class IcebergJudge {
    static final HadoopTables TABLES = new HadoopTables(new Configuration());

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
        case "equality": equality(args[1]); break;
        case "validate": validate(args[1]); break;
        case "large": large(args[1], Integer.parseInt(args[2]), Integer.parseInt(args[3])); break;
        case "time": time(args[1], Integer.parseInt(args[2]), args[3].equals("one")); break;
        default: throw new IllegalArgumentException(args[0]);
        }
    }

    static String text(Object value) {
        if (value == null) return "null";
        if (value instanceof Number || value instanceof Boolean) return value.toString();
        return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    // ---- validation ----

    static void expect(List<String> problems, String what, long found, long said) {
        if (found != said) problems.add(what + ": " + found + ", not " + said);
    }

    /** Counts and sequence numbers of one manifest against what the manifest list says. */
    static void look(Table table, Snapshot snapshot, ManifestFile manifest, long[] totals, List<String> problems)
        throws Exception {
        boolean isData = manifest.content() == ManifestContent.DATA;
        String what = "snapshot " + snapshot.snapshotId() + ", manifest " + manifest.path();
        long files = 0, rows = 0, least = Long.MAX_VALUE;
        try (CloseableIterable<? extends ContentFile<?>> live = isData
                 ? ManifestFiles.read(manifest, table.io(), table.specs())
                 : ManifestFiles.readDeleteManifest(manifest, table.io(), table.specs())) {
            for (ContentFile<?> file : live) {
                files++;
                rows += file.recordCount();
                long sequence = file.dataSequenceNumber() == null ? -1 : file.dataSequenceNumber();
                if (sequence < 0 || sequence > snapshot.sequenceNumber()) problems.add(what + ": sequence number " + sequence);
                least = Math.min(least, sequence);
            }
        }
        expect(problems, what + ", files", files, manifest.addedFilesCount() + manifest.existingFilesCount());
        expect(problems, what + ", rows", rows, manifest.addedRowsCount() + manifest.existingRowsCount());
        if (files > 0 && manifest.minSequenceNumber() > least) problems.add(what + ": min sequence number");
        totals[isData ? 0 : 2] += files;
        totals[isData ? 1 : 3] += rows;
    }

    static void validate(String metadata) throws Exception {
        Table table = new BaseTable(
            new StaticTableOperations(metadata, new org.apache.iceberg.hadoop.HadoopFileIO(new Configuration())), "t");
        List<String> problems = new ArrayList<>();
        String[] keys = {"total-data-files", "total-records", "total-delete-files", "total-position-deletes"};
        for (Snapshot snapshot : table.snapshots()) {
            long[] totals = new long[4];
            for (ManifestFile manifest : snapshot.allManifests(table.io())) look(table, snapshot, manifest, totals, problems);
            for (int i = 0; i < 4; i++) {
                expect(problems, "snapshot " + snapshot.snapshotId() + ", " + keys[i],
                       Long.parseLong(snapshot.summary().getOrDefault(keys[i], "-1")), totals[i]);
            }
        }
        long tasks = 0;
        try (CloseableIterable<FileScanTask> planned = table.newScan().planFiles()) {
            for (FileScanTask task : planned) tasks++;
        }
        StringBuilder out = new StringBuilder("{\"tasks\":" + tasks + ",\"problems\":[");
        for (int i = 0; i < problems.size(); i++) out.append(i > 0 ? "," : "").append(text(problems.get(i)));
        out.append("],\"rows\":[");
        String separator = "";
        try (CloseableIterable<Record> rows = IcebergGenerics.read(table).build()) {
            for (Record row : rows) {
                out.append(separator).append("[");
                // Behind the columns may be what reading with deletes needs.
                for (int i = 0; i < table.schema().columns().size(); i++) out.append(i > 0 ? "," : "").append(text(row.get(i)));
                out.append("]");
                separator = ",";
            }
        }
        System.out.println(out.append("]}"));
    }

    // ---- equality deletes ----

    static final Schema ROWS = new Schema(Types.NestedField.optional(1, "id", Types.LongType.get()),
                                          Types.NestedField.optional(2, "s", Types.StringType.get()),
                                          Types.NestedField.optional(3, "p", Types.IntegerType.get()),
                                          Types.NestedField.optional(4, "d", Types.DoubleType.get()));

    static DataFile data(Table table, StructLike partition, List<Record> rows) throws Exception {
        GenericAppenderFactory factory = new GenericAppenderFactory(table.schema(), table.spec());
        OutputFileFactory files =
            OutputFileFactory.builderFor(table, 1, System.nanoTime()).format(FileFormat.PARQUET).build();
        DataWriter<Record> writer =
            factory.newDataWriter(files.newOutputFile(table.spec(), partition), FileFormat.PARQUET, partition);
        try (writer) {
            for (Record row : rows) writer.write(row);
        }
        return writer.toDataFile();
    }

    static DeleteFile deletes(Table table, PartitionSpec spec, StructLike partition, Schema keys, List<Record> rows)
        throws Exception {
        int[] ids = keys.columns().stream().mapToInt(Types.NestedField::fieldId).toArray();
        GenericAppenderFactory factory = new GenericAppenderFactory(table.schema(), spec, ids, keys, null);
        OutputFileFactory files =
            OutputFileFactory.builderFor(table, 1, System.nanoTime()).format(FileFormat.PARQUET).build();
        EncryptedFile file = new EncryptedFile(files.newOutputFile(spec, partition));
        EqualityDeleteWriter<Record> writer = factory.newEqDeleteWriter(file.output, FileFormat.PARQUET, partition);
        try (writer) {
            for (Record row : rows) writer.write(row);
        }
        return writer.toDeleteFile();
    }

    static class EncryptedFile {
        final org.apache.iceberg.encryption.EncryptedOutputFile output;
        EncryptedFile(org.apache.iceberg.encryption.EncryptedOutputFile output) {
            this.output = output;
        }
    }

    static Record row(Schema schema, Object... values) {
        GenericRecord record = GenericRecord.create(schema);
        for (int i = 0; i < values.length; i++) record.set(i, values[i]);
        return record;
    }

    static List<Record> some(Schema schema, long from, long to, int partition) {
        List<Record> rows = new ArrayList<>();
        for (long i = from; i < to; i++) {
            boolean none = i % 11 == 0;
            rows.add(row(schema, none ? null : (Object)i, i % 7 == 0 ? null : "s" + i % 5, partition,
                         i % 13 == 0 ? Double.NaN : i / 2.0));
        }
        return rows;
    }

    static StructLike partition(Table table, PartitionSpec spec, int value) {
        if (spec.isUnpartitioned()) return null;
        PartitionKey key = new PartitionKey(spec, table.schema());
        key.partition(row(ROWS, null, null, value, null));
        return key;
    }

    static void equality(String folder) throws Exception {
        Map<String, String> properties = Map.of("format-version", "2");
        PartitionSpec byP = PartitionSpec.builderFor(ROWS).identity("p").build();
        for (String name : List.of("plain", "scoped")) {
            Table table = TABLES.create(ROWS, name.equals("plain") ? PartitionSpec.unpartitioned() : byP, properties,
                                        folder + "/" + name);
            Schema byId = ROWS.select("id"), byBoth = ROWS.select("id", "s"), byNumber = ROWS.select("d");
            for (int p = 0; p < 2; p++) {
                table.newAppend()
                    .appendFile(data(table, partition(table, table.spec(), p), some(ROWS, p * 50, p * 50 + 100, p)))
                    .commit();
            }
            List<Record> keys = new ArrayList<>();
            for (long i = 0; i < 200; i += 10) keys.add(row(byId, i));
            keys.add(row(byId, (Object)null));
            // Only in partition 0, where there are partitions; then rows with the same keys come again.
            table.newRowDelta()
                .addDeletes(deletes(table, table.spec(), partition(table, table.spec(), 0), byId, keys))
                .addRows(data(table, partition(table, table.spec(), 0), some(ROWS, 0, 30, 0)))
                .commit();
            table.newRowDelta()
                .addDeletes(deletes(table, table.spec(), partition(table, table.spec(), 1), byBoth,
                                    List.of(row(byBoth, 60L, "s0"), row(byBoth, 61L, "s0"), row(byBoth, null, null),
                                            row(byBoth, 63L, null))))
                .commit();
            table.newRowDelta()
                .addDeletes(deletes(table, table.spec(), partition(table, table.spec(), 0), byNumber,
                                    List.of(row(byNumber, 2.0) /* not NaN: Java passes over such deletes by their bounds */, row(byNumber, 1.5))))
                .commit();
            // A column that deletes look at is dropped; the type of another is promoted.
            table.updateSchema().deleteColumn("s").updateColumn("p", Types.LongType.get()).commit();
            table.refresh();
            GenericRecord next = GenericRecord.create(table.schema());
            List<Record> more = new ArrayList<>();
            for (long i = 0; i < 20; i++) more.add(next.copy(Map.of("id", i, "p", 0L, "d", 0.5)));
            PartitionKey key = table.spec().isUnpartitioned() ? null : new PartitionKey(table.spec(), table.schema());
            if (key != null) key.partition(more.get(0));
            table.newAppend().appendFile(data(table, key, more)).commit();
        }
        StringBuilder out = new StringBuilder("{");
        for (String name : List.of("plain", "scoped")) {
            Table table = TABLES.load(folder + "/" + name);
            out.append(out.length() > 1 ? "," : "").append(text(name)).append(":{");
            boolean first = true;
            for (Snapshot snapshot : table.snapshots()) {
                String rows = read(table, snapshot.snapshotId());
                out.append(first ? "" : ",")
                    .append(text(String.valueOf(snapshot.snapshotId())))
                    .append(":")
                    .append(rows);
                first = false;
            }
            out.append("}");
        }
        System.out.println(out.append("}"));
    }

    /** null: this version of the library can't (equality deletes by a column that was dropped since). */
    static String read(Table table, long snapshotId) throws Exception {
        List<String> rows = new ArrayList<>();
        try (CloseableIterable<Record> read = IcebergGenerics.read(table).useSnapshot(snapshotId).build()) {
            for (Record record : read) {
                List<String> values = new ArrayList<>();
                for (Types.NestedField field : record.struct().fields()) {
                    Object value = record.getField(field.name());
                    values.add(text(field.name()) + ":" +
                               (value instanceof Double && ((Double)value).isNaN() ? "\"NaN\"" : text(value)));
                }
                rows.add("{" + String.join(",", values) + "}");
            }
        } catch (IllegalArgumentException refused) {
            return "null";
        }
        return "[" + String.join(",", rows) + "]";
    }

    // ---- planning time ----

    static final int DAYS = 100;

    static void large(String folder, int files, int commits) throws Exception {
        List<Types.NestedField> fields =
            new ArrayList<>(List.of(Types.NestedField.optional(1, "day", Types.DateType.get())));
        for (int i = 2; i <= 20; i++) {
            fields.add(Types.NestedField.optional(i, "c" + i,
                                                  i % 3 == 0   ? Types.StringType.get()
                                                  : i % 3 == 1 ? Types.DoubleType.get()
                                                               : Types.LongType.get()));
        }
        Schema schema = new Schema(fields);
        PartitionSpec spec = PartitionSpec.builderFor(schema).identity("day").build();
        Table table = TABLES.create(schema, spec,
                                    Map.of("format-version", "2", "commit.manifest-merge.enabled", "false"), folder);
        for (int commit = 0, made = 0; commit < commits; commit++) {
            AppendFiles append = table.newFastAppend();
            for (int k = 0; k < files / commits; k++, made++) {
                int day = (int)((long)made * DAYS / files);
                Map<Integer, Long> sizes = new HashMap<>(), counts = new HashMap<>(), nulls = new HashMap<>();
                Map<Integer, ByteBuffer> lower = new HashMap<>(), upper = new HashMap<>();
                for (Types.NestedField field : fields) {
                    int id = field.fieldId();
                    sizes.put(id, 100_000L + made * 31L % 5000);
                    counts.put(id, 1_000_000L);
                    nulls.put(id, made % 7L);
                    Object low = id == 1       ? day
                                 : id % 3 == 0 ? "key " + made * 7919L % 1000003
                                 : id % 3 == 1 ? (Object)(made * 0.37 + id)
                                               : (Object)(made * 1000L + id);
                    Object high = id == 1       ? day
                                  : id % 3 == 0 ? "kez " + made * 7919L % 1000003
                                  : id % 3 == 1 ? (Object)(made * 0.37 + id + 9.5)
                                                : (Object)(made * 1000L + id + 999);
                    lower.put(id, Conversions.toByteBuffer(field.type(), low));
                    upper.put(id, Conversions.toByteBuffer(field.type(), high));
                }
                PartitionData partition = new PartitionData(spec.partitionType());
                partition.set(0, day);
                append.appendFile(DataFiles.builder(spec)
                                      .withPath(folder + "/data/day=" + day + "/" +
                                                UUID.nameUUIDFromBytes(("f" + made).getBytes()) + ".parquet")
                                      .withFormat(FileFormat.PARQUET)
                                      .withFileSizeInBytes(128L << 20)
                                      .withPartition(partition)
                                      .withMetrics(new Metrics(1_000_000L, sizes, counts, nulls, null, lower, upper))
                                      .build());
            }
            append.commit();
        }
        System.out.println(text(((BaseTable)table).operations().refresh().metadataFileLocation()));
    }

    static int plan(Table table, boolean isOne) throws Exception {
        int count = 0;
        TableScan scan = isOne ? table.newScan().filter(Expressions.equal("day", 42)) : table.newScan();
        try (CloseableIterable<FileScanTask> tasks = scan.planFiles()) {
            for (FileScanTask task : tasks) count++;
        }
        return count;
    }

    interface Planning {
        int run() throws Exception;
    }

    /** The shortest of so many rounds: wall and processor time (of the whole process, its compiler too), in ms. */
    static String shortest(String what, int rounds, Planning planning) throws Exception {
        com.sun.management.OperatingSystemMXBean system =
            (com.sun.management.OperatingSystemMXBean)java.lang.management.ManagementFactory.getOperatingSystemMXBean();
        double wall = Double.MAX_VALUE, processor = Double.MAX_VALUE;
        int files = 0;
        for (int i = 0; i < rounds; i++) {
            long started = System.nanoTime(), used = system.getProcessCpuTime();
            files = planning.run();
            wall = Math.min(wall, (System.nanoTime() - started) / 1e6);
            processor = Math.min(processor, (system.getProcessCpuTime() - used) / 1e6);
        }
        return String.format(Locale.ROOT, "\"%s\":%.3f,\"%s_cpu\":%.3f,\"files\":%d", what, wall, what, processor, files);
    }

    static void time(String folder, int rounds, boolean isOne) throws Exception {
        // Warm as Iceberg has it: manifests are kept in memory, as they are stored.
        String location = ((BaseTable)TABLES.load(folder)).operations().current().metadataFileLocation();
        org.apache.iceberg.hadoop.HadoopFileIO io = new org.apache.iceberg.hadoop.HadoopFileIO(new Configuration());
        io.initialize(Map.of("io.manifest.cache-enabled", "true", "io.manifest.cache.max-total-bytes", "500000000"));
        String first = shortest("first", 1, () -> plan(TABLES.load(folder), isOne));
        String cold = shortest("cold", rounds, () -> plan(TABLES.load(folder), isOne));
        Table table = new BaseTable(new StaticTableOperations(location, io), "t");
        plan(table, isOne);
        System.out.println("{" + first.replaceFirst(",\"files\".*", ",") + cold.replaceFirst(",\"files\".*", ",") +
                           shortest("warm", rounds, () -> plan(table, isOne)) + "}");
    }
}
