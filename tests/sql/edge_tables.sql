-- Small tables full of corner cases. Types are those an Iceberg table can hold.

CREATE TABLE empty_table (id BIGINT, name VARCHAR, amount DECIMAL(12, 2), tags VARCHAR[], seen TIMESTAMP);

CREATE TABLE one_row AS SELECT 1::BIGINT AS id, 'only' AS name;

-- Every second value is NULL, keys too; one column is all NULL.
CREATE TABLE nulls AS
SELECT
    i::BIGINT AS id,
    CASE WHEN i % 3 = 0 THEN NULL ELSE i % 7 END::INTEGER AS key,
    CASE WHEN i % 2 = 0 THEN NULL ELSE 'text ' || (i % 5) END AS name,
    CASE WHEN i % 4 = 0 THEN NULL ELSE (i * 1.25)::DECIMAL(10, 2) END AS amount,
    CASE WHEN i % 5 = 0 THEN NULL ELSE i % 2 = 0 END AS flag,
    NULL::INTEGER AS nothing
FROM range(300) t(i);

CREATE TABLE floats AS
SELECT i::INTEGER AS id, i % 3 AS part, v::DOUBLE AS x, v::FLOAT AS y
FROM (
    VALUES (0, 'nan'), (1, 'inf'), (2, '-inf'), (3, '0'), (4, '-0.0'), (5, '1e30'), (6, '-1e-30'), (7, '0.1'), (8, NULL), (9, '3.4028234e38'),
           (10, 'nan'), (11, '1'), (12, '123456789.125')
) t(i, v);

CREATE TABLE doubles AS
SELECT i::INTEGER AS id, CASE i WHEN 1 THEN 1e300 WHEN 2 THEN 1e-300 WHEN 3 THEN -1e300 WHEN 4 THEN 5e-324
                              WHEN 5 THEN 1.7976931348623157e308 ELSE i / 7.0 END::DOUBLE AS x
FROM range(50) t(i);

CREATE TABLE decimals AS
SELECT
    i::INTEGER AS id,
    (i - 50)::DECIMAL(4, 1) AS small,
    ((i - 50) * 12345678.91)::DECIMAL(18, 2) AS medium,
    (CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END * (12345678901234567890123456789.123456789::DECIMAL(38, 9) + i))::DECIMAL(38, 9) AS big,
    (i::HUGEINT * 99999999999999999999999)::DECIMAL(38, 0) AS whole
FROM range(101) t(i);

CREATE TABLE integers AS
SELECT * FROM (
    VALUES (1::BIGINT, 9223372036854775807::BIGINT, 2147483647::INTEGER), (2, -9223372036854775808, -2147483648),
           (3, 0, 0), (4, 9223372036854775807, 1), (5, NULL, NULL), (6, 9007199254740993, -1)
) t(id, big, small);

-- Before 1970, before the Gregorian calendar, leap days, far ahead; microseconds.
CREATE TABLE times AS
SELECT
    i::INTEGER AS id,
    d::DATE AS d,
    (d || ' 12:34:56.000001')::TIMESTAMP AS ts,
    (d || ' 23:59:59.999999+00')::TIMESTAMPTZ AS tz,
    ('00:00:0' || (i % 10) || '.5')::TIME AS t
FROM (
    VALUES (1, '1969-12-31'), (2, '1970-01-01'), (3, '1600-02-29'), (4, '0001-01-01'), (5, '2000-02-29'), (6, '9999-12-31'),
           (7, '1899-12-31'), (8, '2038-01-19'), (9, '1969-07-20'), (10, '1582-10-10'), (11, '2024-02-29'), (12, NULL)
) v(i, d);

CREATE TABLE texts AS
SELECT i::INTEGER AS id, s FROM (
    VALUES (1, ''), (2, ' '), (3, 'a'), (4, 'A'), (5, 'ä'), (6, 'Ä'), (7, 'ß'), (8, '日本語'), (9, '🦆'), (10, '🐧 puffin'),
           (11, 'it''s "quoted"'), (12, 'back\slash'), (13, E'tab\tand\nline'), (14, 'null'), (15, NULL), (16, '%_'), (17, 'e' || chr(769)),
           (18, 'é'), (19, repeat('long ', 2000)), (20, '0123456789ab'), (21, '0123456789abc'), (22, 'Ω≈ç√'), (23, 'עברית'), (24, chr(1) || 'x'),
           (25, ''''), (26, ';--'), (27, '/* */'), (28, '$1'), (29, '{"a": 1}'), (30, 'a')
) t(i, s);

CREATE TABLE nested AS
SELECT
    i::INTEGER AS id,
    CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN [] ELSE [i, NULL, i * 2] END::BIGINT[] AS numbers,
    CASE WHEN i % 5 = 0 THEN NULL ELSE {'x': i % 3, 'label': 'n' || (i % 4), 'inner': {'deep': i % 2 = 0, 'list': ['a', NULL]}} END AS s,
    CASE WHEN i % 3 = 0 THEN NULL ELSE MAP {'one': i, 'two': NULL} END::MAP(VARCHAR, INTEGER) AS m,
    CASE WHEN i % 2 = 0 THEN [{'k': i, 'v': 'v' || i}, NULL] END AS list_of_structs,
    [[i], [], NULL]::INTEGER[][] AS matrix
FROM range(60) t(i);

CREATE TABLE blobs AS
SELECT * FROM (
    VALUES (1::INTEGER, '\x00\xFF\x7F'::BLOB, '00000000-0000-0000-0000-000000000000'::UUID), (2, ''::BLOB, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
           (3, 'plain'::BLOB, '12345678-1234-5678-1234-567812345678'), (4, NULL, NULL), (5, '\x00\xFF\x7F'::BLOB, '80000000-0000-0000-0000-000000000000')
) t(id, b, u);

CREATE TABLE many_blobs AS
SELECT i::INTEGER AS id, ['\x00\xFF'::BLOB, '\xE6\x97'::BLOB, 'plain'::BLOB, '\x00\xFF\x7F'::BLOB, ''::BLOB][1 + i % 5] AS b FROM range(400) t(i);

-- All rows have one key: every row goes to one partition.
CREATE TABLE skewed AS
SELECT i::BIGINT AS id, CASE WHEN i < 19000 THEN 1 ELSE i END::BIGINT AS key, 'value ' || (i % 11) AS name
FROM range(20000) t(i);

CREATE TABLE keys AS SELECT (i * 1000)::BIGINT AS key, 'key ' || i AS label FROM range(25) t(i);
INSERT INTO keys VALUES (1, 'the heavy one'), (1, 'the heavy one again'), (NULL, 'no key');

CREATE TABLE "Mixed Case" AS SELECT i::INTEGER AS "Id", i * 2 AS "select", 'x' || i AS "with ""quotes""", i AS "日本" FROM range(10) t(i);

CREATE TABLE wide AS
SELECT i::BIGINT AS id, i + 1 AS c01, i + 2 AS c02, i + 3 AS c03, i + 4 AS c04, i + 5 AS c05, i + 6 AS c06, i + 7 AS c07, i + 8 AS c08, i + 9 AS c09
FROM range(5000) t(i);

CREATE SCHEMA other;
CREATE TABLE other.nulls AS SELECT i::BIGINT AS id, 'other' AS place FROM range(10) t(i);

CREATE TABLE employees AS
SELECT * FROM (
    VALUES (1::INTEGER, NULL::INTEGER, 'Ada', 100.00::DECIMAL(9, 2)), (2, 1, 'Bob', 80.50), (3, 1, 'Cyd', 90.25), (4, 2, 'Dee', 70.00),
           (5, 2, 'Eve', 70.00), (6, 3, 'Fay', 65.75), (7, 6, 'Gus', 60.00), (8, NULL, 'Hal', 50.00)
) t(id, boss, name, salary);
