// SPDX-License-Identifier: MIT
// Iceberg's Java library plans scans of made-up tables twice, itself and by asking our server, and compares.
//
//   PlanJudge URI SEED TABLES SCANS
//
// Tables have random schemas (nested too), partition specs of every transform that change between commits, and data files
// whose statistics are those of rows that are kept here: cut bounds, columns without statistics, NULL and NaN; position
// deletes, equality deletes and deletion vectors; files that are deleted again. No data file is written. A scan has a random
// expression, of the current or an older snapshot.
//
// Prints JSON: how many files both planned, how many only one of them, and what is wrong:
//   - a file that we skip has a row that satisfies the expression;
//   - a file that both read has other delete files;
//   - for a row of a file, what is left of the expression (residual) says something else than the expression.
// Files that only Java skips are counted by the reason that is documented (docs/testing.md), or reported.

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.Pattern;
import java.util.stream.*;
import org.apache.iceberg.*;
import org.apache.iceberg.catalog.*;
import org.apache.iceberg.expressions.*;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.rest.RESTCatalog;
import org.apache.iceberg.transforms.*;
import org.apache.iceberg.types.*;
import org.apache.iceberg.util.*;

public class PlanJudge {
    static Random random;
    static final List<String> wrong = new ArrayList<>();
    static final Map<String, Integer> more = new TreeMap<>();
    static int both, less, scans, deletesSeen, skipped, refused, unwritable;

    static class Row implements StructLike {
        final Object[] values;
        Row(int size) {
            values = new Object[size];
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
        public String toString() {
            return Arrays.toString(values);
        }
    }

    static int below(int limit) {
        return random.nextInt(limit);
    }

    static <T> T pick(List<T> list) {
        return list.get(below(list.size()));
    }

    // ---- schemas and values ----

    static Type type() {
        switch (below(15)) {
        case 0: return Types.BooleanType.get();
        case 1: return Types.IntegerType.get();
        case 2: return Types.LongType.get();
        case 3: return Types.FloatType.get();
        case 4: return Types.DoubleType.get();
        case 5: return Types.DecimalType.of(9, 2);
        case 6: return Types.DecimalType.of(30, 5);
        case 7: return Types.DateType.get();
        case 8: return Types.TimeType.get();
        case 9: return Types.TimestampType.withoutZone();
        case 10: return Types.TimestampType.withZone();
        case 11: return Types.UUIDType.get();
        case 12: return Types.FixedType.ofLength(3);
        case 13: return Types.BinaryType.get();
        default: return Types.StringType.get();
        }
    }

    static Schema schema() {
        List<Types.NestedField> fields = new ArrayList<>();
        int count = 2 + below(5);
        for (int i = 0; i < count; i++) fields.add(Types.NestedField.optional(i + 1, "c" + (i + 1), type()));
        if (below(3) == 0) {
            fields.add(Types.NestedField.optional(
                50, "s",
                Types.StructType.of(Types.NestedField.optional(51, "a", Types.IntegerType.get()),
                                    Types.NestedField.optional(52, "b", Types.StringType.get()))));
        }
        return new Schema(fields);
    }

    static final List<UUID> UUIDS = IntStream.range(0, 6).mapToObj(i -> new UUID(i * 0x7fffffffffffffffL / 3 * (i % 2 == 0 ? 1 : -1), i)).collect(Collectors.toList());

    static String letters() {
        String[] parts = {"a", "b", "z", "Z", "é", "\u20ac", "\ud83d\ude00", "same beginning of a text", "~", "\u007f"};
        StringBuilder text = new StringBuilder();
        for (int i = below(5); i > 0; i--) text.append(parts[below(parts.length)]);
        return text.toString();
    }

    static Object value(Type type) {
        if (below(6) == 0) return null;
        boolean isWide = below(8) == 0;
        switch (type.typeId()) {
        case BOOLEAN: return random.nextBoolean();
        case INTEGER: return isWide ? random.nextInt() : below(21) - 10;
        case LONG: return isWide ? random.nextLong() : (long)below(21) - 10;
        case FLOAT: return below(8) == 0 ? Float.NaN : isWide ? random.nextFloat() * 1e9f : (below(9) - 4) / 2f;
        case DOUBLE: return below(8) == 0 ? Double.NaN : isWide ? random.nextDouble() * 1e18 : (below(9) - 4) / 2.0;
        case DECIMAL: return BigDecimal.valueOf(isWide ? random.nextInt(999999999) : below(2001) - 1000, ((Types.DecimalType)type).scale());
        case DATE: return isWide ? below(40000) - 10000 : below(800) - 400;
        case TIME: return (long)below(86400) * 1000000L + below(3);
        case TIMESTAMP: return (isWide ? random.nextLong() % 4_000_000_000_000_000L : (below(2000) - 1000) * 3_600_000_000L) + below(3);
        case UUID: return pick(UUIDS);
        case FIXED: return ByteBuffer.wrap(new byte[] {(byte)below(256), (byte)(below(3) - 1), (byte)below(3)});
        case BINARY: {
            byte[] bytes = new byte[below(24)];
            for (int i = 0; i < bytes.length; i++) bytes[i] = (byte)(i < 15 ? below(2) - 1 : below(256));
            return ByteBuffer.wrap(bytes);
        }
        default: return letters();
        }
    }

    static Row row(Types.StructType struct) {
        Row row = new Row(struct.fields().size());
        for (int i = 0; i < row.size(); i++) {
            Type type = struct.fields().get(i).type();
            row.values[i] = type.isStructType() ? (below(8) == 0 ? null : row(type.asStructType())) : value(type);
        }
        return row;
    }

    // ---- partition specs ----

    static Term term(Schema schema, String[] nameOut) {
        Types.NestedField field = pick(schema.columns());
        if (field.type().isStructType()) field = field.type().asStructType().fields().get(below(2));
        String name = schema.findColumnName(field.fieldId());
        Type.TypeID id = field.type().typeId();
        List<Term> terms = new ArrayList<>(List.of(Expressions.ref(name)));
        boolean isFloat = id == Type.TypeID.FLOAT || id == Type.TypeID.DOUBLE, isMoment = id == Type.TypeID.TIMESTAMP;
        if (!isFloat && id != Type.TypeID.BOOLEAN) terms.add(Expressions.bucket(name, 1 + below(5)));
        if (Set.of(Type.TypeID.INTEGER, Type.TypeID.LONG, Type.TypeID.DECIMAL, Type.TypeID.STRING, Type.TypeID.BINARY).contains(id)) terms.add(Expressions.truncate(name, 1 + below(6)));
        if (isMoment || id == Type.TypeID.DATE) terms.addAll(List.of(Expressions.year(name), Expressions.month(name), Expressions.day(name)));
        if (isMoment) terms.add(Expressions.hour(name));
        // Java 1.11 writes such values with a length, which Avro's fixed has not: only Java can read them.
        if (id == Type.TypeID.FIXED) terms.remove(0);
        nameOut[0] = "p" + below(1_000_000);
        return pick(terms);
    }

    static void evolve(Table table) {
        for (int i = below(3); i > 0; i--) {
            try {
                UpdatePartitionSpec update = table.updateSpec();
                List<PartitionField> fields = table.spec().fields().stream().filter(f -> !f.transform().isVoid()).collect(Collectors.toList());
                String[] name = new String[1];
                if (!fields.isEmpty() && below(3) == 0) update.removeField(pick(fields).name());
                else {
                    Term term = term(table.schema(), name);
                    update.addField(name[0], term);
                }
                update.commit();
            } catch (IllegalArgumentException | org.apache.iceberg.exceptions.ValidationException again) {
                table.refresh(); // such a field is there
            }
        }
        if (below(6) == 0) {
            List<Types.NestedField> fields = table.schema().columns().stream().filter(f -> f.type().typeId() == Type.TypeID.INTEGER).collect(Collectors.toList());
            if (!fields.isEmpty()) {
                try {
                    table.updateSchema().updateColumn(pick(fields).name(), Types.LongType.get()).commit();
                } catch (IllegalArgumentException | org.apache.iceberg.exceptions.ValidationException no) {
                    table.refresh(); // a partition field would hash otherwise
                }
            }
        }
        if (below(6) == 0) table.updateSchema().addColumn("n" + below(1_000_000), type()).commit();
        if (below(8) == 0) {
            Types.NestedField field = pick(table.schema().columns());
            table.updateSchema().renameColumn(field.name(), "r" + below(1_000_000)).commit();
        }
    }

    // ---- data files ----

    static class File {
        DataFile file;
        List<Row> rows;
        Schema schema; // that the rows were made for
    }

    static void count(Types.StructType struct, List<Row> rows, Metrics[] out, Map<Integer, Long> values, Map<Integer, Long> nulls, Map<Integer, Long> nans, Map<Integer, ByteBuffer> lower, Map<Integer, ByteBuffer> upper) {
        for (int i = 0; i < struct.fields().size(); i++) {
            final int at = i;
            Types.NestedField field = struct.fields().get(i);
            if (field.type().isStructType()) {
                List<Row> inner = rows.stream().map(r -> r == null ? null : (Row)r.values[at]).collect(Collectors.toList());
                count(field.type().asStructType(), inner, out, values, nulls, nans, lower, upper);
                continue;
            }
            if (below(6) == 0) continue; // no statistics
            List<Object> all = rows.stream().map(r -> r == null ? null : r.values[at]).collect(Collectors.toList());
            List<Object> some = all.stream().filter(v -> v != null && !isNaN(v)).collect(Collectors.toList());
            int id = field.fieldId();
            if (below(10) > 0) values.put(id, (long)all.size());
            if (below(10) > 0) nulls.put(id, all.stream().filter(Objects::isNull).count());
            boolean isFloat = field.type().typeId() == Type.TypeID.FLOAT || field.type().typeId() == Type.TypeID.DOUBLE;
            if (isFloat && below(4) > 0) nans.put(id, all.stream().filter(PlanJudge::isNaN).count());
            if (some.isEmpty()) continue;
            Comparator<Object> order = Comparators.forType(field.type().asPrimitiveType());
            Object least = Collections.min(some, order), most = Collections.max(some, order);
            if (field.type().typeId() == Type.TypeID.STRING) {
                least = UnicodeUtil.truncateString((CharSequence)least, 16).toString();
                Literal<CharSequence> end = UnicodeUtil.truncateStringMax(Literal.of((CharSequence)most), 16);
                most = end == null ? null : end.value().toString();
            } else if (field.type().typeId() == Type.TypeID.BINARY) {
                least = BinaryUtil.truncateBinary((ByteBuffer)least, 16);
                Literal<ByteBuffer> end = BinaryUtil.truncateBinaryMax(Literal.of((ByteBuffer)most), 16);
                most = end == null ? null : end.value();
            } else if (isFloat && least instanceof Float && (Float)least == 0f) least = -0f;
            else if (isFloat && least instanceof Double && (Double)least == 0.0) least = -0.0;
            if (isFloat && most instanceof Float && (Float)most == 0f) most = 0f;
            if (isFloat && most instanceof Double && (Double)most == 0.0) most = 0.0;
            if (below(10) > 0) lower.put(id, Conversions.toByteBuffer(field.type(), least));
            if (most != null && below(10) > 0) upper.put(id, Conversions.toByteBuffer(field.type(), most));
        }
    }

    static boolean isNaN(Object value) {
        return (value instanceof Float && ((Float)value).isNaN()) || (value instanceof Double && ((Double)value).isNaN());
    }

    static StructLike copy(Table table, PartitionKey key) {
        PartitionData data = new PartitionData(table.spec().partitionType());
        for (int i = 0; i < key.size(); i++) {
            Object value = key.get(i, Object.class);
            data.set(i, value instanceof CharSequence ? value.toString() : value);
        }
        return data;
    }

    static File file(Table table, int number) {
        File made = new File();
        made.schema = table.schema();
        made.rows = new ArrayList<>();
        PartitionKey key = new PartitionKey(table.spec(), table.schema()), other = new PartitionKey(table.spec(), table.schema());
        Row first = row(table.schema().asStruct());
        key.partition(first);
        made.rows.add(first);
        for (int i = below(12); i > 0; i--) {
            Row next = row(table.schema().asStruct());
            other.partition(next);
            if (other.equals(key)) made.rows.add(next);
        }
        Map<Integer, Long> values = new HashMap<>(), nulls = new HashMap<>(), nans = new HashMap<>();
        Map<Integer, ByteBuffer> lower = new HashMap<>(), upper = new HashMap<>();
        count(table.schema().asStruct(), made.rows, null, values, nulls, nans, lower, upper);
        DataFiles.Builder builder = DataFiles.builder(table.spec()).withPath(table.location() + "/data/" + number + ".parquet").withFormat(FileFormat.PARQUET).withFileSizeInBytes(1000 + number).withMetrics(new Metrics((long)made.rows.size(), null, values, nulls, nans, lower, upper));
        if (table.spec().isPartitioned()) builder.withPartition(copy(table, key));
        made.file = builder.build();
        return made;
    }

    static DeleteFile deletes(Table table, File file, boolean isEquality, int number, boolean hasVectors) {
        PartitionSpec spec = table.specs().get(file.file.specId());
        FileMetadata.Builder builder = FileMetadata.deleteFileBuilder(spec).withFileSizeInBytes(100).withRecordCount(1);
        if (spec.isPartitioned()) builder.withPartition(file.file.partition());
        if (isEquality) return builder.ofEqualityDeletes(table.schema().columns().get(0).fieldId()).withPath(table.location() + "/data/e" + number + ".parquet").withFormat(FileFormat.PARQUET).build();
        builder.ofPositionDeletes();
        if (hasVectors) return builder.withPath(table.location() + "/data/v" + number + ".puffin").withFormat(FileFormat.PUFFIN).withReferencedDataFile(file.file.location()).withContentOffset(4).withContentSizeInBytes(40).build();
        if (below(2) == 0) builder.withReferencedDataFile(file.file.location());
        return builder.withPath(table.location() + "/data/p" + number + ".parquet").withFormat(FileFormat.PARQUET).build();
    }

    static Map<String, File> fill(Table table, int version) {
        Map<String, File> files = new LinkedHashMap<>();
        Set<String> live = new LinkedHashSet<>(), vectored = new HashSet<>();
        int number = 0;
        for (int commit = 2 + below(4); commit > 0; commit--) {
            evolve(table);
            AppendFiles append = below(2) == 0 ? table.newAppend() : table.newFastAppend();
            for (int i = 1 + below(6); i > 0; i--) {
                File made = file(table, number++);
                files.put(made.file.location(), made);
                live.add(made.file.location());
                append.appendFile(made.file);
            }
            append.commit();
            if (version > 1 && below(2) == 0) {
                RowDelta delta = table.newRowDelta();
                for (int i = 1 + below(3); i > 0; i--) {
                    File target = files.get(pick(new ArrayList<>(live)));
                    boolean isEquality = below(3) == 0;
                    if (!isEquality && version == 3 && !vectored.add(target.file.location())) continue;
                    delta.addDeletes(deletes(table, target, isEquality, number++, version == 3));
                }
                delta.commit();
            }
            if (live.size() > 3 && below(4) == 0) {
                String gone = pick(new ArrayList<>(live));
                live.remove(gone);
                table.newDelete().deleteFile(files.get(gone).file).commit();
            }
            table.refresh();
        }
        return files;
    }

    // ---- expressions ----

    static Object literal(Type type, List<Object> seen) {
        Object value = null;
        for (int i = 0; value == null || isNaN(value); i++) value = !seen.isEmpty() && i < 20 && below(4) > 0 ? pick(seen) : value(type);
        if (type.typeId() == Type.TypeID.DATE && below(2) == 0) return java.time.LocalDate.ofEpochDay((Integer)value).toString();
        if (type.typeId() == Type.TypeID.TIMESTAMP && below(2) == 0 && Math.abs((Long)value) < 4_000_000_000_000_000L) {
            java.time.LocalDateTime moment = java.time.LocalDateTime.ofEpochSecond(Math.floorDiv((Long)value, 1000000L), (int)Math.floorMod((Long)value, 1000000L) * 1000, java.time.ZoneOffset.UTC);
            return ((Types.TimestampType)type).shouldAdjustToUTC() ? moment + "+00:00" : moment.toString();
        }
        return value;
    }

    static void collect(StructLike row, Types.StructType struct, int id, List<Object> out) {
        for (int i = 0; i < struct.fields().size() && row != null && i < row.size(); i++) {
            Object value = row.get(i, Object.class);
            if (struct.fields().get(i).fieldId() == id && value != null) out.add(value);
            if (struct.fields().get(i).type().isStructType()) collect((Row)value, struct.fields().get(i).type().asStructType(), id, out);
        }
    }

    static Expression leaf(Schema schema, Map<String, File> files) {
        Types.NestedField field = pick(schema.columns());
        if (field.type().isStructType()) field = field.type().asStructType().fields().get(below(2));
        String name = schema.findColumnName(field.fieldId());
        List<Object> seen = new ArrayList<>();
        for (File file : files.values()) for (Row row : file.rows) collect(row, file.schema.asStruct(), field.fieldId(), seen);
        Type type = field.type();
        if (type.typeId() == Type.TypeID.LONG) seen.replaceAll(v -> ((Number)v).longValue());
        boolean isFloat = type.typeId() == Type.TypeID.FLOAT || type.typeId() == Type.TypeID.DOUBLE, isText = type.typeId() == Type.TypeID.STRING;
        switch (below(isFloat || isText ? 13 : 11)) {
        case 0: return Expressions.isNull(name);
        case 1: return Expressions.notNull(name);
        case 2: return Expressions.lessThan(name, literal(type, seen));
        case 3: return Expressions.lessThanOrEqual(name, literal(type, seen));
        case 4: return Expressions.greaterThan(name, literal(type, seen));
        case 5: return Expressions.greaterThanOrEqual(name, literal(type, seen));
        case 6: return Expressions.notEqual(name, literal(type, seen));
        case 7: return Expressions.in(name, literal(type, seen), literal(type, seen), literal(type, seen));
        case 8: return Expressions.notIn(name, literal(type, seen), literal(type, seen));
        case 11: return isFloat ? Expressions.isNaN(name) : Expressions.startsWith(name, prefix((String)literal(type, seen)));
        case 12: return isFloat ? Expressions.notNaN(name) : Expressions.notStartsWith(name, prefix((String)literal(type, seen)));
        default: return Expressions.equal(name, literal(type, seen));
        }
    }

    static String prefix(String text) {
        return text.substring(0, text.offsetByCodePoints(0, below(text.codePointCount(0, text.length()) + 1)));
    }

    static Expression expression(Schema schema, Map<String, File> files, int depth) {
        switch (depth == 0 ? 9 : below(10)) {
        case 0: return Expressions.not(expression(schema, files, depth - 1));
        case 1:
        case 2: return Expressions.or(expression(schema, files, depth - 1), expression(schema, files, depth - 1));
        case 3:
        case 4: return Expressions.and(expression(schema, files, depth - 1), expression(schema, files, depth - 1));
        default: return leaf(schema, files);
        }
    }

    /** SQL's comparisons: nothing is less or greater than NULL, which is what those who run the scan think. */
    static class Holds extends ExpressionVisitors.BoundVisitor<Boolean> {
        StructLike row;
        public Boolean alwaysTrue() { return true; }
        public Boolean alwaysFalse() { return false; }
        public Boolean not(Boolean result) { return !result; }
        public Boolean and(Boolean left, Boolean right) { return left && right; }
        public Boolean or(Boolean left, Boolean right) { return left || right; }
        public <T> Boolean isNull(Bound<T> e) { return e.eval(row) == null; }
        public <T> Boolean notNull(Bound<T> e) { return e.eval(row) != null; }
        public <T> Boolean isNaN(Bound<T> e) { return PlanJudge.isNaN(e.eval(row)); }
        public <T> Boolean notNaN(Bound<T> e) { return !PlanJudge.isNaN(e.eval(row)); }
        <T> Integer order(Bound<T> e, Literal<T> literal) {
            T value = e.eval(row);
            if (value instanceof Float && (Float)value == 0f && ((Float)literal.value()) == 0f) return 0;
            if (value instanceof Double && (Double)value == 0.0 && ((Double)literal.value()) == 0.0) return 0;
            return value == null ? null : literal.comparator().compare(value, literal.value());
        }
        public <T> Boolean lt(Bound<T> e, Literal<T> l) { Integer o = order(e, l); return o != null && o < 0; }
        public <T> Boolean ltEq(Bound<T> e, Literal<T> l) { Integer o = order(e, l); return o != null && o <= 0; }
        public <T> Boolean gt(Bound<T> e, Literal<T> l) { Integer o = order(e, l); return o != null && o > 0; }
        public <T> Boolean gtEq(Bound<T> e, Literal<T> l) { Integer o = order(e, l); return o != null && o >= 0; }
        public <T> Boolean eq(Bound<T> e, Literal<T> l) { Integer o = order(e, l); return o != null && o == 0; }
        public <T> Boolean notEq(Bound<T> e, Literal<T> l) { return !eq(e, l); }
        public <T> Boolean in(Bound<T> e, Set<T> set) { T value = e.eval(row); return value != null && set.contains(value); }
        public <T> Boolean notIn(Bound<T> e, Set<T> set) { return !in(e, set); }
        public <T> Boolean startsWith(Bound<T> e, Literal<T> l) { T value = e.eval(row); return value != null && value.toString().startsWith(l.value().toString()); }
        public <T> Boolean notStartsWith(Bound<T> e, Literal<T> l) { return !startsWith(e, l); }
    }

    static boolean holds(Schema schema, Expression expression, Row row) {
        Holds holds = new Holds();
        holds.row = row;
        return ExpressionVisitors.visit(Binder.bind(schema.asStruct(), Expressions.rewriteNot(expression), true), holds);
    }

    /** The row as the schema has it that the scan reads: by field id, ints that became longs. */
    static Row project(Types.StructType from, Row row, Types.StructType to) {
        Row made = new Row(to.fields().size());
        for (int i = 0; i < made.size(); i++) {
            Types.NestedField field = to.fields().get(i);
            for (int k = 0; k < from.fields().size(); k++) {
                if (from.fields().get(k).fieldId() != field.fieldId()) continue;
                Object value = row.values[k];
                if (value instanceof Integer && field.type().typeId() == Type.TypeID.LONG) value = ((Integer)value).longValue();
                if (value instanceof Row) value = project(from.fields().get(k).type().asStructType(), (Row)value, field.type().asStructType());
                made.values[i] = value;
            }
        }
        return made;
    }

    // ---- comparing ----

    static Map<String, FileScanTask> plan(TableScan scan, Expression expression) throws Exception {
        Map<String, FileScanTask> tasks = new TreeMap<>();
        try (CloseableIterable<FileScanTask> planned = scan.filter(expression).planFiles()) {
            for (FileScanTask task : planned) tasks.put(task.file().location(), task);
        }
        return tasks;
    }

    static Set<String> names(FileScanTask task) {
        return task.deletes().stream().map(d -> d.location() + "@" + d.contentOffset() + ":" + d.content()).collect(Collectors.toCollection(TreeSet::new));
    }

    /** Why a file is read that Java skips: what docs/testing.md lists. */
    static String reason(Schema schema, Expression expression, File file) {
        String text = expression.toString();
        List<String> kinds = new ArrayList<>();
        for (Types.NestedField field : TypeUtil.indexById(schema.asStruct()).values()) {
            String name = schema.findColumnName(field.fieldId());
            if (!Pattern.compile("ref\\(name=\"" + Pattern.quote(name) + "\"\\)").matcher(text).find()) continue;
            kinds.add(field.type().typeId().toString().toLowerCase(Locale.ROOT));
        }
        if (kinds.contains("uuid")) return "uuid";
        if (kinds.contains("float") || kinds.contains("double")) return "nan";
        if (kinds.contains("string") || kinds.contains("binary") || kinds.contains("fixed")) return "cut bounds";
        if (kinds.contains("timestamp") || kinds.contains("date")) return "times before 1970";
        return "other: " + kinds;
    }


    static void compare(Table ours, Table theirs, Map<String, File> files, String where) throws Exception {
        List<Snapshot> snapshots = new ArrayList<>();
        theirs.snapshots().forEach(snapshots::add);
        boolean isOld = below(4) == 0;
        Snapshot snapshot = pick(snapshots);
        TableScan their = isOld ? theirs.newScan().useSnapshot(snapshot.snapshotId()) : theirs.newScan();
        TableScan our = isOld ? ours.newScan().useSnapshot(snapshot.snapshotId()) : ours.newScan();
        Schema schema = their.schema();
        Expression expression = expression(schema, files, 2);
        String what = where + (isOld ? " at " + snapshot.snapshotId() : "") + " " + expression;
        Map<String, FileScanTask> expected;
        try {
            expected = plan(their, expression);
        } catch (org.apache.iceberg.exceptions.ValidationException | IllegalArgumentException | NullPointerException no) {
            refused++; // Java does not take it: a literal out of range, text in a list where a partition is NULL
            return;
        }
        Map<String, FileScanTask> got;
        try {
            got = plan(our, expression);
        } catch (org.apache.iceberg.exceptions.RESTException no) {
            if (!no.getMessage().contains("JSON does not have")) throw no;
            unwritable++; // a partition of NaN
            return;
        }
        scans++;
        for (String path : expected.keySet()) {
            File file = files.get(path);
            if (got.containsKey(path)) {
                both++;
                deletesSeen += got.get(path).deletes().size();
                if (!names(got.get(path)).equals(names(expected.get(path)))) wrong.add(what + ": deletes of " + path + ": " + names(got.get(path)) + ", not " + names(expected.get(path)));
                Expression residual;
                try {
                    residual = got.get(path).residual();
                } catch (org.apache.iceberg.exceptions.ValidationException no) {
                    continue; // Java binds it to today's names, also where an older snapshot is read
                }
                for (Row row : file.rows) {
                    Row read = project(file.schema.asStruct(), row, schema.asStruct());
                    if (holds(schema, expression, read) != holds(schema, residual, read)) wrong.add(what + ": residual " + residual + " of " + path + " for " + read);
                }
                continue;
            }
            less++;
            for (Row row : file.rows) {
                Row read = project(file.schema.asStruct(), row, schema.asStruct());
                if (holds(schema, expression, read)) wrong.add(what + ": " + path + " is skipped, but has " + read);
            }
        }
        for (String path : got.keySet()) {
            if (!expected.containsKey(path)) more.merge(reason(schema, expression, files.get(path)), 1, Integer::sum);
            if (!expected.containsKey(path) && reason(schema, expression, files.get(path)).startsWith("other") && more.size() < 50) System.err.println(what + ": Java skips " + path + " " + files.get(path).rows + " " + files.get(path).file);
        }
        for (Map.Entry<String, File> entry : files.entrySet()) if (!got.containsKey(entry.getKey())) skipped++;
    }

    static RESTCatalog catalog(String uri, Map<String, String> more) {
        RESTCatalog catalog = new RESTCatalog();
        Map<String, String> properties = new HashMap<>(more);
        properties.put("uri", uri);
        properties.put("io-impl", "org.apache.iceberg.hadoop.HadoopFileIO");
        properties.put("rest-metrics-reporting-enabled", "false");
        catalog.initialize("ours", properties);
        return catalog;
    }

    static String quote(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", "?") + '"';
    }

    public static void main(String[] arguments) throws Exception {
        long seed = Long.parseLong(arguments[1]);
        int tables = Integer.parseInt(arguments[2]), scansEach = Integer.parseInt(arguments[3]);
        RESTCatalog theirs = catalog(arguments[0], Map.of()), ours = catalog(arguments[0], Map.of("scan-planning-mode", "server"));
        Namespace space = Namespace.of("judge" + seed);
        theirs.createNamespace(space);
        int files = 0;
        for (int i = 0; i < tables && wrong.size() < 20; i++) {
            random = new Random(seed * 1_000_003 + i);
            int version = 1 + below(3);
            TableIdentifier id = TableIdentifier.of(space, "t" + i);
            Schema schema = schema();
            Table table = theirs.buildTable(id, schema).withProperty("format-version", String.valueOf(version)).create();
            Map<String, File> made = fill(table, version);
            files += made.size();
            Table planned = ours.loadTable(id);
            if (!planned.getClass().getSimpleName().equals("RESTTable")) throw new IllegalStateException("scans are not planned by the server");
            for (int k = 0; k < scansEach; k++) compare(planned, table, made, "seed " + seed + " table " + i + " v" + version);
            theirs.dropTable(id, false);
        }
        System.out.println("{\"tables\":" + tables + ",\"files\":" + files + ",\"scans\":" + scans + ",\"refused\":" + refused + ",\"unwritable\":" + unwritable + ",\"both\":" + both + ",\"deletes\":" + deletesSeen + ",\"skipped\":" + skipped + ",\"less\":" + less + ",\"more\":{" + more.entrySet().stream().map(e -> quote(e.getKey()) + ":" + e.getValue()).collect(Collectors.joining(",")) + "},\"wrong\":[" + wrong.stream().limit(20).map(PlanJudge::quote).collect(Collectors.joining(",")) + "]}");
    }
}
