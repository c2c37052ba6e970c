// SPDX-License-Identifier: MIT
// Iceberg's Java library as a judge. Prints JSON; tables are local, one folder each.
//
//   IcebergJudge equality FOLDER                  tables with equality deletes, and the rows that Java reads of each snapshot
//   IcebergJudge plans FOLDER SEED TABLES CASES   random tables and predicates, and the plan of each
//   IcebergJudge large FOLDER FILES COMMITS       a table of many data files (metadata only), for planning
//   IcebergJudge time FOLDER ROUNDS               how long planning that table takes, in ms: first, cold, warm; all and one partition

import java.nio.ByteBuffer;
import java.time.LocalDate;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.*;
import org.apache.iceberg.data.*;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.expressions.*;
import org.apache.iceberg.hadoop.HadoopTables;
import org.apache.iceberg.io.*;
import org.apache.iceberg.types.*;
import org.apache.iceberg.util.UnicodeUtil;

public class IcebergJudge {
    static final HadoopTables TABLES = new HadoopTables(new Configuration());

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
        case "equality": equality(args[1]); break;
        case "plans":
            plans(args[1], Long.parseLong(args[2]), Integer.parseInt(args[3]), Integer.parseInt(args[4]));
            break;
        case "large": large(args[1], Integer.parseInt(args[2]), Integer.parseInt(args[3])); break;
        case "time": time(args[1], Integer.parseInt(args[2])); break;
        default: throw new IllegalArgumentException(args[0]);
        }
    }

    static String text(Object value) {
        if (value == null) return "null";
        if (value instanceof Number || value instanceof Boolean) return value.toString();
        return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
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
                                    List.of(row(byNumber, Double.NaN), row(byNumber, 1.5))))
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

    // ---- plans ----

    static final Schema COLUMNS = new Schema(Types.NestedField.optional(1, "l", Types.LongType.get()),
                                             Types.NestedField.optional(2, "i", Types.IntegerType.get()),
                                             Types.NestedField.optional(3, "s", Types.StringType.get()),
                                             Types.NestedField.optional(4, "d", Types.DateType.get()),
                                             Types.NestedField.optional(5, "t", Types.TimestampType.withoutZone()),
                                             Types.NestedField.optional(6, "x", Types.DoubleType.get()),
                                             Types.NestedField.optional(7, "n", Types.DecimalType.of(9, 2)));
    static Random random;

    static int pick(int bound) {
        return random.nextInt(bound);
    }

    /** Values from few, so that predicates hit; as Iceberg holds them inside. */
    static Object value(int field) {
        switch (field) {
        case 1: return (long)(pick(40) - 20);
        case 2: return pick(40) - 20;
        case 3:
            return new String[] {"",   "a", "ab", "abc", "b",
                                 "ba", "z", "zz", "é",   "a longer text than sixteen letters " + pick(5)}[pick(10)];
        case 4: return pick(60) - 30;
        case 5: return (pick(200) - 100) * 3_600_000_000L;
        case 6: return pick(8) == 0 ? -0.0 : (pick(40) - 20) / 2.0;
        default: return java.math.BigDecimal.valueOf(pick(400) - 200, 2);
        }
    }

    static PartitionSpec spec() {
        PartitionSpec.Builder builder = PartitionSpec.builderFor(COLUMNS);
        boolean[] used = new boolean[8];
        for (int k = pick(3); k > 0; k--) {
            int field = 1 + pick(7);
            if (used[field]) continue;
            used[field] = true;
            String name = COLUMNS.findColumnName(field);
            int kind = pick(4);
            if (kind == 0 && field != 6)
                builder.bucket(name, 1 + pick(5));
            else if (kind == 1 && (field <= 3 || field == 7))
                builder.truncate(name, 1 + pick(4));
            else if (kind >= 1 && field == 4)
                builder.month(name);
            else if (kind == 1 && field == 5)
                builder.hour(name);
            else if (kind == 2 && field == 5)
                builder.day(name);
            else if (kind == 3 && field == 5)
                builder.year(name);
            else
                builder.identity(name);
        }
        return builder.build();
    }

    static PartitionKey key(PartitionSpec spec, Object[] values) {
        PartitionKey key = new PartitionKey(spec, COLUMNS);
        key.partition(new Values(values));
        return key;
    }

    static class Values implements StructLike {
        final Object[] values;
        Values(Object[] values) {
            this.values = values;
        }
        public int size() {
            return values.length;
        }
        public <T> T get(int at, Class<T> type) {
            return type.cast(values[at]);
        }
        public <T> void set(int at, T value) {
            values[at] = value;
        }
    }

    @SuppressWarnings("unchecked")
    static <T> int compare(Type type, T a, T b) {
        return ((Comparator<T>)Comparators.forType(type.asPrimitiveType())).compare(a, b);
    }

    /** Bounds of made-up rows that all lie in the partition of the first. */
    static DataFile file(PartitionSpec spec, String path) {
        Object[] values = new Object[7];
        Map<Integer, Long> counts = new HashMap<>(), nulls = new HashMap<>(), nans = new HashMap<>();
        Map<Integer, ByteBuffer> lower = new HashMap<>(), upper = new HashMap<>();
        Set<Integer> sources = spec.fields().stream().map(PartitionField::sourceId).collect(Collectors.toSet());
        for (int field = 1; field <= 7; field++) {
            Type type = COLUMNS.findType(field);
            boolean isSource = sources.contains(field), isNull = pick(8) == 0;
            Object low = isNull ? null : value(field), high = low;
            if (!isNull && !isSource) {
                Object other = value(field);
                if (compare(type, other, low) < 0)
                    low = other;
                else
                    high = other;
            }
            values[field - 1] = low;
            if (pick(10) == 0) continue; // no statistics
            counts.put(field, 10L);
            if (pick(10) > 0) nulls.put(field, isNull ? 10L : isSource ? 0L : (long)pick(3));
            if (field == 6 && pick(2) == 0) nans.put(field, isNull || isSource ? 0L : (long)pick(2));
            if (isNull) continue;
            if (pick(10) > 0) lower.put(field, Conversions.toByteBuffer(type, field == 3 ? cut((String)low) : low));
            if (pick(10) > 0) upper.put(field, Conversions.toByteBuffer(type, field == 3 ? cutUp((String)high) : high));
        }
        return DataFiles.builder(spec)
            .withPath(path)
            .withFormat(FileFormat.PARQUET)
            .withFileSizeInBytes(100)
            .withPartition(key(spec, values))
            .withMetrics(new Metrics(10L, null, counts, nulls, nans, lower, upper))
            .build();
    }

    static String cut(String text) {
        return text.substring(0, Math.min(16, text.length()));
    }
    static String cutUp(String text) {
        Literal<CharSequence> up = UnicodeUtil.truncateStringMax(Literal.of(text), 16);
        return up.value().toString();
    }

    static final String[] OPERATORS = {"=", "!=", "<", "<=", ">", ">=", "null", "not-null"};
    static final String[] TYPES = {"BIGINT", "INTEGER", "VARCHAR", "DATE", "TIMESTAMP", "DOUBLE", "DECIMAL(9,2)"};

    static String shown(int field, Object value) {
        switch (field) {
        case 4: return LocalDate.ofEpochDay((int)value).toString();
        case 5:
            return java.time.LocalDateTime
                .ofEpochSecond(Math.floorDiv((long)value, 1_000_000L), 0, java.time.ZoneOffset.UTC)
                .format(java.time.format.DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss"));
        default: return value.toString();
        }
    }

    static Expression predicate(StringBuilder shown) {
        int field = 1 + pick(7), operator = pick(8);
        Object value = value(field);
        String name = COLUMNS.findColumnName(field);
        shown.append("[")
            .append(text(name))
            .append(",")
            .append(text(OPERATORS[operator]))
            .append(",")
            .append(text(TYPES[field - 1]))
            .append(",")
            .append(text(operator > 5 ? "" : shown(field, value)))
            .append("]");
        Object literal = field == 4 || field == 5 ? shown(field, value).replace(" ", "T") : value;
        switch (operator) {
        case 0: return Expressions.equal(name, literal);
        case 1: return Expressions.notEqual(name, literal);
        case 2: return Expressions.lessThan(name, literal);
        case 3: return Expressions.lessThanOrEqual(name, literal);
        case 4: return Expressions.greaterThan(name, literal);
        case 5: return Expressions.greaterThanOrEqual(name, literal);
        case 6: return Expressions.isNull(name);
        default: return Expressions.notNull(name);
        }
    }

    static void commit(Table table, List<DataFile> live, int number) {
        PartitionSpec spec = table.spec();
        int kind = pick(6);
        if (kind == 5 && live.size() > 3) {
            DataFile gone = live.remove(pick(live.size()));
            table.newDelete().deleteFile(gone).commit();
            return;
        }
        if (kind >= 3 && !live.isEmpty()) {
            RowDelta delta = table.newRowDelta();
            for (int k = 1 + pick(3); k > 0; k--) {
                DataFile target = live.get(pick(live.size()));
                PartitionSpec of = table.specs().get(target.specId());
                FileMetadata.Builder builder = FileMetadata.deleteFileBuilder(of)
                                                   .withPath("/t/delete-" + number + "-" + k + ".parquet")
                                                   .withFormat(FileFormat.PARQUET)
                                                   .withFileSizeInBytes(10)
                                                   .withRecordCount(1)
                                                   .withPartition(target.partition());
                boolean isV3 = ((BaseTable)table).operations().current().formatVersion() >= 3;
                if (pick(2) == 0) {
                    builder.ofEqualityDeletes(1 + pick(7));
                } else if (isV3) {
                    builder.ofPositionDeletes()
                        .withFormat(FileFormat.PUFFIN)
                        .withPath("/t/delete-" + number + "-" + k + ".puffin")
                        .withReferencedDataFile(target.location())
                        .withContentOffset(4)
                        .withContentSizeInBytes(40);
                } else {
                    builder.ofPositionDeletes();
                    if (pick(2) == 0) builder.withReferencedDataFile(target.location());
                }
                delta.addDeletes(builder.build());
                if (isV3) break;
            }
            delta.commit();
            return;
        }
        AppendFiles append = pick(2) == 0 ? table.newFastAppend() : table.newAppend();
        for (int k = 1 + pick(12); k > 0; k--) {
            DataFile file = file(spec, "/t/data-" + number + "-" + k + ".parquet");
            append.appendFile(file);
            live.add(file);
        }
        append.commit();
        // What the table gives back has the spec's id and the partition as it was written.
    }

    static void plans(String folder, long seed, int tableCount, int caseCount) throws Exception {
        random = new Random(seed);
        StringBuilder out = new StringBuilder("[");
        for (int t = 0; t < tableCount; t++) {
            String location = folder + "/t" + t;
            Table table = TABLES.create(COLUMNS, spec(),
                                        Map.of("format-version", String.valueOf(2 + pick(2)),
                                               "commit.manifest.min-count-to-merge", "4",
                                               "write.metadata.metrics.default", "truncate(16)"),
                                        location);
            List<DataFile> live = new ArrayList<>();
            Set<String> hasVector = new HashSet<>();
            for (int commit = 0; commit < 6; commit++) {
                try {
                    commit(table, live, commit);
                } catch (org.apache.iceberg.exceptions
                             .ValidationException refused) { // a second vector of a file, and the like
                }
                table.refresh();
                if (pick(6) == 0 && !table.spec().isUnpartitioned()) {
                    table.updateSpec().removeField(table.spec().fields().get(0).name()).commit();
                    table.refresh();
                }
            }
            if (table.currentSnapshot() == null) {
                table.newAppend().appendFile(file(table.spec(), "/t/only.parquet")).commit();
                table.refresh();
            }
            out.append(t > 0 ? "," : "")
                .append("{\"metadata\":")
                .append(text(((BaseTable)table).operations().current().metadataFileLocation()))
                .append(",\"cases\":[");
            for (int c = 0; c < caseCount; c++) {
                StringBuilder shown = new StringBuilder();
                Expression filter = Expressions.alwaysTrue();
                for (int k = pick(4); k > 0; k--) {
                    if (shown.length() > 0) shown.append(",");
                    filter = Expressions.and(filter, predicate(shown));
                }
                out.append(c > 0 ? "," : "").append("{\"where\":[").append(shown).append("],");
                StringBuilder files = new StringBuilder();
                String problem = null;
                try (CloseableIterable<FileScanTask> tasks = table.newScan().filter(filter).planFiles()) {
                    for (FileScanTask task : tasks) {
                        files.append(files.length() > 0 ? "," : "")
                            .append(text(task.file().location()))
                            .append(":[")
                            .append(task.deletes()
                                        .stream()
                                        .map(d -> text(d.location()))
                                        .sorted()
                                        .collect(Collectors.joining(",")))
                            .append("]");
                    }
                } catch (RuntimeException refused) {
                    problem = String.valueOf(refused.getMessage());
                }
                out.append(problem == null ? "\"files\":{" + files + "}}"
                                           : "\"problem\":" + text(problem.replace("\n", " ")) + "}");
            }
            out.append("]}");
        }
        System.out.println(out.append("]"));
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

    static double plan(Table table, boolean isOne, int expected) throws Exception {
        long started = System.nanoTime();
        int count = 0;
        TableScan scan = isOne ? table.newScan().filter(Expressions.equal("day", 42)) : table.newScan();
        try (CloseableIterable<FileScanTask> tasks = scan.planFiles()) {
            for (FileScanTask task : tasks) count++;
        }
        if (expected >= 0 && count != expected) throw new IllegalStateException(count + " files");
        return (System.nanoTime() - started) / 1e6;
    }

    static void time(String folder, int rounds) throws Exception {
        StringBuilder out = new StringBuilder("{");
        for (boolean isOne : new boolean[] {false, true}) {
            long started = System.nanoTime();
            plan(TABLES.load(folder), isOne, -1);
            double first = (System.nanoTime() - started) / 1e6, cold = Double.MAX_VALUE, warm = Double.MAX_VALUE;
            for (int i = 0; i < rounds; i++) {
                started = System.nanoTime();
                plan(TABLES.load(folder), isOne, -1);
                cold = Math.min(cold, (System.nanoTime() - started) / 1e6);
            }
            Table table = TABLES.load(folder);
            for (int i = 0; i < rounds; i++) warm = Math.min(warm, plan(table, isOne, -1));
            out.append(isOne ? "," : "")
                .append(text(isOne ? "one" : "all"))
                .append(String.format(Locale.ROOT, ":{\"first\":%.3f,\"cold\":%.3f,\"warm\":%.3f}", first, cold, warm));
        }
        System.out.println(out.append("}"));
    }
}
