-- Five small tables with the same columns, full of NULLs and of values that meet: joins along any of them match.
-- Floating point values are quarters, so that sums are exact in any order.

CREATE MACRO mixed(i, salt) AS (i * 2654435761 + salt * 40503) % 4294967291;

CREATE TABLE a AS
SELECT
    i::BIGINT AS id,
    CASE WHEN mixed(i, 1) % 7 = 0 THEN NULL ELSE mixed(i, 2) % 20 END::INTEGER AS k,
    CASE WHEN mixed(i, 3) % 6 = 0 THEN NULL ELSE 'g' || (mixed(i, 4) % 9) END AS g,
    CASE WHEN mixed(i, 5) % 5 = 0 THEN NULL ELSE mixed(i, 6) % 1000 - 500 END::BIGINT AS n,
    CASE WHEN mixed(i, 7) % 8 = 0 THEN NULL ELSE (mixed(i, 8) % 10000 / 100 - 50) END::DECIMAL(10, 2) AS x,
    CASE WHEN mixed(i, 9) % 9 = 0 THEN NULL ELSE mixed(i, 10) % 400 / 4 END::DOUBLE AS f,
    CASE WHEN mixed(i, 11) % 10 = 0 THEN NULL ELSE DATE '1969-06-01' + (mixed(i, 12) % 700)::INTEGER END AS d,
    CASE WHEN mixed(i, 13) % 4 = 0 THEN NULL ELSE mixed(i, 14) % 2 = 0 END AS flag,
    CASE WHEN mixed(i, 15) % 5 = 0 THEN NULL ELSE [mixed(i, 16) % 3, NULL, i % 2][1:(mixed(i, 17) % 4)::BIGINT] END::INTEGER[] AS l
FROM range(600) t(i);

CREATE TABLE b AS SELECT * REPLACE (id * 3 AS id, n + 7 AS n) FROM a WHERE mixed(id, 21) % 3 = 0;
CREATE TABLE c AS SELECT * FROM a WHERE mixed(id, 22) % 12 = 0;
CREATE TABLE e AS SELECT * FROM a WHERE false;
-- Two thirds of the rows share a key.
CREATE TABLE s AS SELECT a.* REPLACE (i AS id, CASE WHEN i % 3 > 0 THEN 7 ELSE k END AS k) FROM a, range(6000) t(i) WHERE a.id = i % 600;
