-- Each query begins with a line `-- name: …`; its tables are in edge_tables.sql. Answers are what plain DuckDB says.

-- name: constant
SELECT 1 AS one, 'text' AS t, NULL AS nothing, 1.50 AS d, TRUE AS yes;
-- name: values_only
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(x, y) ORDER BY x;
-- name: empty_scan
SELECT * FROM empty_table;
-- name: empty_count
SELECT count(*) AS n, count(id) AS ids, sum(amount) AS total, min(name) AS low, max(seen) AS high, avg(id) AS mean FROM empty_table;
-- name: empty_groups
SELECT name, count(*) AS n FROM empty_table GROUP BY name;
-- name: empty_inner_join
SELECT count(*) AS n FROM nulls JOIN empty_table USING (id);
-- name: empty_left_join
SELECT count(*) AS n, count(e.id) AS hits FROM nulls LEFT JOIN empty_table e USING (id);
-- name: empty_anti_join
SELECT count(*) AS n FROM nulls WHERE id NOT IN (SELECT id FROM empty_table);
-- name: filter_keeps_nothing
SELECT key, sum(amount) AS s FROM nulls WHERE id < 0 GROUP BY key ORDER BY key;
-- name: one_row_cross_join
SELECT o.name, count(*) AS n FROM one_row o, nulls GROUP BY ALL;

-- name: null_group_keys
SELECT key, name, count(*) AS n, count(amount) AS c, sum(amount) AS s FROM nulls GROUP BY key, name;
-- name: null_order_default
SELECT key, id FROM nulls ORDER BY key, id;
-- name: null_order_first
SELECT name, id FROM nulls ORDER BY name DESC NULLS FIRST, id DESC LIMIT 37;
-- name: null_join_keys_do_not_meet
SELECT count(*) AS n FROM nulls a JOIN nulls b ON a.key = b.key;
-- name: null_join_is_not_distinct
SELECT count(*) AS n FROM nulls a JOIN nulls b ON a.key IS NOT DISTINCT FROM b.key AND a.name IS NOT DISTINCT FROM b.name;
-- name: null_full_join
SELECT a.key AS ak, b.label, count(*) AS n FROM nulls a FULL JOIN keys b ON a.key = b.key GROUP BY ALL;
-- name: null_not_in
SELECT count(*) AS n FROM nulls WHERE key NOT IN (SELECT key FROM keys);
-- name: null_not_exists
SELECT count(*) AS n FROM nulls a WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.key = a.key);
-- name: null_in_list
SELECT id, key IN (1, 2, NULL) AS found FROM nulls WHERE id < 30 ORDER BY id;
-- name: null_aggregates
SELECT sum(nothing) AS s, count(nothing) AS c, min(nothing) AS lo, bool_and(flag) AS b, string_agg(name, ',' ORDER BY id) FILTER (WHERE id < 9) AS l FROM nulls;
-- name: null_distinct
SELECT DISTINCT key, flag FROM nulls;
-- name: three_valued_filter
SELECT count(*) AS n FROM nulls WHERE NOT (flag AND amount > 50);
-- name: coalesce_and_case
SELECT coalesce(name, 'none') AS n, sum(CASE WHEN flag THEN 1 WHEN NOT flag THEN -1 END) AS balance FROM nulls GROUP BY 1 ORDER BY 1;

-- name: nan_values
SELECT id, x, y FROM floats ORDER BY id;
-- name: nan_order
SELECT x, id FROM floats ORDER BY x DESC NULLS LAST, id;
-- name: nan_groups
SELECT x, count(*) AS n FROM floats GROUP BY x;
-- name: nan_join
SELECT count(*) AS n FROM floats a JOIN floats b ON a.x = b.x;
-- name: nan_min_max
SELECT part, min(x) AS lo, max(x) AS hi FROM floats GROUP BY part ORDER BY part;
-- name: nan_filter
SELECT id FROM floats WHERE x > 1 ORDER BY id;
-- name: nan_distinct
SELECT count(DISTINCT x) AS n, count(DISTINCT y) AS m FROM floats;
-- name: infinite_filter
SELECT id FROM floats WHERE x = 'infinity'::DOUBLE OR isnan(y) ORDER BY id;
-- name: float_ends
SELECT id, x FROM doubles WHERE id < 6 ORDER BY id;
-- name: float_statistics
SELECT count(*) AS n, sum(x) AS s, avg(x) AS a, stddev_samp(x) AS d, var_pop(x) AS v, corr(x, id) AS c FROM doubles WHERE id > 5;
-- name: float_quantiles
SELECT median(x) AS m, quantile_cont(x, 0.9) AS q, quantile_disc(id, [0.1, 0.5]) AS l FROM doubles WHERE id > 5;

-- name: decimal_values
SELECT * FROM decimals ORDER BY id;
-- name: decimal_sums
SELECT id % 3 AS g, sum(small) AS s, sum(medium) AS m, sum(big) AS b, sum(whole) AS w FROM decimals GROUP BY g ORDER BY g;
-- name: decimal_mean
SELECT avg(small) AS s, avg(medium) AS m, min(big) AS lo, max(big) AS hi FROM decimals;
-- name: decimal_arithmetic
SELECT sum(small * medium) AS p, count(medium / 3) AS q, max(medium / 3) AS r, sum(small + medium) AS s FROM decimals;
-- name: decimal_join
SELECT count(*) AS n FROM decimals a JOIN decimals b ON a.small = b.small + 1;
-- name: decimal_group_by_big
SELECT big, count(*) AS n FROM decimals GROUP BY big ORDER BY big LIMIT 10;
-- name: decimal_compare_scales
SELECT count(*) AS n FROM decimals WHERE small > 10.55 AND medium < 1e9;

-- name: integer_ends
SELECT * FROM integers ORDER BY id;
-- name: integer_sums_widen
SELECT sum(big) AS b, sum(small) AS s, avg(big) AS a, count(DISTINCT big) AS d FROM integers;
-- name: integer_beyond_double
SELECT id FROM integers WHERE big = 9007199254740993;
-- name: integer_bits
SELECT bit_xor(id) AS x, bit_or(id) AS o, bit_and(id) AS a, product(id) AS p FROM integers WHERE id < 5;

-- name: time_values
SELECT id, d, ts, t FROM times ORDER BY id;
-- name: time_with_zone
SELECT id, tz FROM times ORDER BY tz NULLS FIRST, id;
-- name: time_parts
SELECT year(d) AS y, count(*) AS n, min(ts) AS lo, max(tz) AS hi FROM times GROUP BY y ORDER BY y;
-- name: time_arithmetic
SELECT id, d + INTERVAL 1 MONTH AS later, d - DATE '1970-01-01' AS days, date_trunc('month', ts) AS m FROM times WHERE year(d) < 9999 ORDER BY id;
-- name: time_intervals
SELECT id, ts - TIMESTAMP '2000-01-01' AS age, INTERVAL '14 months 3 days' AS i FROM times ORDER BY id;
-- name: time_before_1970
SELECT id, d FROM times WHERE d < DATE '1970-01-01' AND ts > TIMESTAMP '1582-01-01' ORDER BY id;
-- name: time_join
SELECT count(*) AS n FROM times a JOIN times b ON a.d <= b.d AND a.ts IS NOT NULL;
-- name: time_group_keys
SELECT d, t, count(*) AS n FROM times GROUP BY d, t;
-- name: time_epoch
SELECT epoch_us(ts) AS us, epoch(tz) AS s FROM times ORDER BY id;

-- name: unicode_values
SELECT id, s, length(s) AS n, strlen(s) AS bytes FROM texts ORDER BY id;
-- name: unicode_keys
SELECT s, count(*) AS n, min(id) AS first FROM texts GROUP BY s;
-- name: unicode_order
SELECT s FROM texts WHERE length(s) < 100 ORDER BY s NULLS FIRST;
-- name: unicode_filter
SELECT id FROM texts WHERE s IN ('日本語', '🦆', 'it''s "quoted"', 'back\slash', ';--', '/* */', '$1', '') ORDER BY id;
-- name: unicode_literals
SELECT '🐧' || s AS t, upper(s) AS u, 'ß' = s AS same FROM texts WHERE id BETWEEN 4 AND 10 ORDER BY id;
-- name: text_control_characters
SELECT s FROM texts WHERE s LIKE E'%\n%' OR s = chr(1) || 'x';
-- name: text_like_escape
SELECT id FROM texts WHERE s LIKE '\%\_' ESCAPE '\' OR s LIKE '%''%' ORDER BY id;
-- name: text_join
SELECT a.id AS x, b.id AS y FROM texts a JOIN texts b ON a.s = b.s ORDER BY ALL;
-- name: text_min_max
SELECT min(s) AS lo, max(s) AS hi, count(DISTINCT s) AS n FROM texts;
-- name: text_aggregate
SELECT string_agg(s, '|' ORDER BY id) AS t FROM texts WHERE id < 15;
-- name: text_regular_expression
SELECT regexp_replace(s, '[0-9]+', '#', 'g') AS t, count(*) AS n FROM nulls, LATERAL (SELECT name AS s) GROUP BY t ORDER BY t;
-- name: text_collation
SELECT s FROM texts WHERE id < 9 ORDER BY s COLLATE NOCASE, id;

-- name: nested_values
SELECT * FROM nested ORDER BY id;
-- name: nested_unnest
SELECT id, unnest(numbers) AS n FROM nested ORDER BY ALL;
-- name: nested_unnest_struct
SELECT id, e.k, e.v FROM nested, LATERAL (SELECT unnest(list_of_structs) AS e) WHERE e IS NOT NULL ORDER BY id;
-- name: nested_fields
SELECT s.x AS x, s.inner.deep AS deep, count(*) AS n, sum(len(numbers)) AS l FROM nested GROUP BY ALL ORDER BY ALL;
-- name: nested_group_keys
SELECT s, count(*) AS n FROM nested GROUP BY s;
-- name: nested_list_keys
SELECT numbers, count(*) AS n FROM nested GROUP BY numbers;
-- name: nested_join
SELECT count(*) AS n FROM nested a JOIN nested b ON a.s = b.s;
-- name: nested_maps
SELECT id, m['one'] AS one, map_keys(m) AS k, cardinality(m) AS c FROM nested ORDER BY id;
-- name: nested_aggregate
SELECT id % 4 AS g, list(id ORDER BY id DESC) AS l, list({'a': id} ORDER BY id) AS s FROM nested GROUP BY g ORDER BY g;
-- name: nested_functions
SELECT id, list_transform(numbers, lambda x: x + 1) AS up, list_filter(numbers, lambda x: x > 10) AS f, matrix[1] AS first FROM nested ORDER BY id;
-- name: nested_made
SELECT id, {'a': id, 'b': [id, NULL], 'c': {'d': s.label}} AS made, MAP {id: s.label} AS m FROM nested WHERE id < 7 ORDER BY id;
-- name: nested_filter
SELECT count(*) AS n FROM nested WHERE s.x = 1 AND list_contains(numbers, id) AND m IS NOT NULL;

-- name: blob_and_uuid_values
SELECT * FROM blobs ORDER BY id;
-- name: blob_keys
SELECT b, count(*) AS n FROM blobs GROUP BY b;
-- name: uuid_order
SELECT u FROM blobs ORDER BY u;
-- name: uuid_join
SELECT a.id FROM blobs a JOIN blobs b ON a.u = b.u AND a.u > '12345678-0000-0000-0000-000000000000' ORDER BY a.id;

-- name: skewed_groups
SELECT key, count(*) AS n, sum(id) AS s FROM skewed GROUP BY key ORDER BY n DESC, key LIMIT 20;
-- name: skewed_join
SELECT k.label, count(*) AS n, sum(s.id) AS total FROM skewed s JOIN keys k ON s.key = k.key GROUP BY k.label;
-- name: skewed_window
SELECT key, id, row_number() OVER (PARTITION BY key ORDER BY id) AS r FROM skewed WHERE id > 18990 ORDER BY ALL LIMIT 50;
-- name: many_rows
SELECT id, key, name FROM skewed ORDER BY id DESC;
-- name: many_groups
SELECT id, count(*) AS n, max(name) AS m FROM skewed GROUP BY id;
-- name: offset_without_end
SELECT id FROM skewed ORDER BY id LIMIT 10 OFFSET 19995;
-- name: limit_zero
SELECT * FROM skewed LIMIT 0;
-- name: limit_without_order
SELECT key FROM skewed LIMIT 5;
-- name: limit_percent
SELECT id FROM keys, skewed WHERE skewed.key = keys.key ORDER BY id LIMIT 1%;

-- name: quoted_names
SELECT "Id", "select", "with ""quotes""", "日本" FROM "Mixed Case" ORDER BY "Id" DESC;
-- name: names_ignore_case
SELECT ID, NAME FROM NULLS WHERE Key = 3 ORDER BY iD;
-- name: same_name_twice
SELECT a.id, b.id FROM keys k JOIN nulls a ON a.key = k.key JOIN nulls b ON b.id = a.id ORDER BY ALL;
-- name: other_namespace
SELECT n.id, o.place FROM nulls n JOIN other.nulls o ON n.id = o.id ORDER BY n.id;
-- name: wide_rows
SELECT sum(c01) AS a, sum(c05 * c09) AS b, count(DISTINCT c07) AS c FROM wide WHERE c02 % 7 <> 3;
-- name: expression_names
SELECT count(*), sum(id), 1 + 1, upper('x') FROM keys, one_row;

-- name: union_all
SELECT id, name FROM nulls WHERE id < 5 UNION ALL SELECT id, place FROM other.nulls WHERE id < 5 ORDER BY ALL;
-- name: union_types_widen
SELECT id FROM nested UNION SELECT key FROM skewed WHERE id > 19995 UNION SELECT 1.5 ORDER BY 1;
-- name: union_by_name
SELECT id, name FROM nulls WHERE id < 3 UNION ALL BY NAME SELECT place, id FROM other.nulls WHERE id < 3;
-- name: intersect
SELECT key FROM nulls INTERSECT SELECT key FROM keys;
-- name: except
SELECT key FROM skewed EXCEPT SELECT key FROM keys WHERE key IS NOT NULL ORDER BY 1 LIMIT 12;
-- name: except_all
SELECT key FROM nulls EXCEPT ALL SELECT key FROM nulls WHERE id < 150;
-- name: intersect_all
SELECT name FROM nulls INTERSECT ALL SELECT name FROM nulls WHERE id < 100;

-- name: cte_used_twice
WITH t AS (SELECT key, count(*) AS n FROM nulls GROUP BY key) SELECT a.key, a.n, b.n AS m FROM t a LEFT JOIN t b ON a.n = b.n AND a.key < b.key ORDER BY ALL;
-- name: cte_chain
WITH a AS (SELECT id FROM skewed WHERE key = 1), b AS (SELECT id % 10 AS d FROM a), c AS (SELECT d, count(*) AS n FROM b GROUP BY d) SELECT * FROM c ORDER BY d;
-- name: cte_materialized
WITH t AS MATERIALIZED (SELECT key, sum(id) AS s FROM skewed GROUP BY key) SELECT count(*) AS n, max(s) AS hi FROM t WHERE s > (SELECT avg(s) FROM t);
-- name: cte_recursive
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) AS s FROM r;
-- name: cte_recursive_tree
WITH RECURSIVE chain AS (SELECT id, name, 1 AS depth FROM employees WHERE boss IS NULL UNION ALL SELECT e.id, e.name, c.depth + 1 FROM employees e JOIN chain c ON e.boss = c.id) SELECT * FROM chain ORDER BY ALL;
-- name: lateral_top
SELECT b.name, t.name AS best, t.salary FROM employees b, LATERAL (SELECT name, salary FROM employees e WHERE e.boss = b.id ORDER BY salary DESC, name LIMIT 1) t ORDER BY b.name;
-- name: lateral_expression
SELECT n.id, l.twice FROM nulls n, LATERAL (SELECT n.amount * 2 AS twice) l WHERE l.twice > 700 ORDER BY n.id;
-- name: correlated_scalar
SELECT name, (SELECT count(*) FROM employees e WHERE e.boss = b.id) AS n FROM employees b ORDER BY id;
-- name: correlated_exists
SELECT name FROM employees b WHERE EXISTS (SELECT 1 FROM employees e WHERE e.boss = b.id AND e.salary < b.salary / 1.2) ORDER BY name;
-- name: any_and_all
SELECT name FROM employees WHERE salary >= ALL (SELECT salary FROM employees WHERE boss = 2) AND id > ANY (SELECT boss FROM employees) ORDER BY name;
-- name: scalar_of_nothing
SELECT (SELECT id FROM empty_table) AS x, count(*) AS n FROM employees;
-- name: self_join
SELECT e.name, b.name AS boss, g.name AS grand FROM employees e LEFT JOIN employees b ON e.boss = b.id LEFT JOIN employees g ON b.boss = g.id ORDER BY e.id;
-- name: range_join
SELECT a.name, count(*) AS n FROM employees a JOIN employees b ON a.salary < b.salary GROUP BY a.name ORDER BY ALL;
-- name: cross_join
SELECT count(*) AS n, sum(a.id * b.id) AS s FROM nested a CROSS JOIN nested b;
-- name: asof_join
SELECT a.id, b.id AS before FROM times a ASOF JOIN times b ON a.ts > b.ts ORDER BY a.id;
-- name: positional_join
SELECT count(*) AS n FROM employees POSITIONAL JOIN one_row;
-- name: semi_and_anti_join
SELECT (SELECT count(*) FROM skewed SEMI JOIN keys USING (key)) AS s, (SELECT count(*) FROM skewed ANTI JOIN keys USING (key)) AS a;
-- name: join_on_expression
SELECT count(*) AS n FROM nulls a JOIN nulls b ON a.id % 17 = b.id % 19 AND lower(a.name) = lower(b.name);
-- name: outer_join_with_condition
SELECT count(*) AS n, count(k.label) AS m FROM skewed s LEFT JOIN keys k ON s.key = k.key AND k.label LIKE '%again%' AND s.id > 10;
-- name: right_join
SELECT k.label, count(s.id) AS n FROM skewed s RIGHT JOIN keys k ON s.key = k.key GROUP BY k.label ORDER BY ALL;

-- name: window_running
SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS s FROM nulls ORDER BY id;
-- name: window_ranks
SELECT name, salary, rank() OVER w AS r, dense_rank() OVER w AS d, ntile(3) OVER (ORDER BY salary, name) AS t, percent_rank() OVER w AS p FROM employees WINDOW w AS (ORDER BY salary) ORDER BY salary, name;
-- name: window_neighbours
SELECT id, lag(amount, 2, -1) OVER (PARTITION BY key ORDER BY id) AS before, lead(name IGNORE NULLS) OVER (ORDER BY id) AS next FROM nulls ORDER BY id;
-- name: window_of_groups
SELECT key, sum(amount) AS s, rank() OVER (ORDER BY sum(amount) DESC NULLS LAST) AS r FROM nulls GROUP BY key ORDER BY r, key;
-- name: window_qualify
SELECT boss, name FROM employees QUALIFY row_number() OVER (PARTITION BY boss ORDER BY salary DESC, name) = 1 ORDER BY ALL;
-- name: window_whole
SELECT id, count(*) OVER () AS n, max(s) OVER () AS m FROM texts WHERE id < 5 ORDER BY id;
-- name: window_first_last
SELECT DISTINCT key, first_value(id) OVER (PARTITION BY key ORDER BY id) AS a, last_value(id) OVER (PARTITION BY key ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS z FROM nulls ORDER BY ALL;

-- name: rollup
SELECT key, flag, count(*) AS n, grouping(key, flag) AS g FROM nulls GROUP BY ROLLUP (key, flag) ORDER BY ALL;
-- name: grouping_sets_with_empty
SELECT name, sum(id) AS s FROM nulls GROUP BY GROUPING SETS ((name), ()) ORDER BY ALL;
-- name: rollup_over_equal_columns
SELECT a.key AS x, b.key AS y, count(*) AS n FROM nulls a JOIN nulls b ON a.key = b.key GROUP BY ROLLUP (a.key, b.key);
-- name: cube
SELECT flag, name, count(*) AS n FROM nulls GROUP BY CUBE (flag, name);
-- name: group_by_nothing_with_having
SELECT sum(id) AS s FROM nulls HAVING count(*) > 1000;
-- name: distinct_aggregates
SELECT key, count(DISTINCT name) AS n, sum(DISTINCT amount) AS s, count(DISTINCT (flag, name)) AS p FROM nulls GROUP BY key ORDER BY key;
-- name: filtered_aggregates
SELECT count(*) FILTER (WHERE flag) AS a, sum(amount) FILTER (WHERE id > 299) AS b, list(id ORDER BY id) FILTER (WHERE id % 50 = 0) AS c FROM nulls;
-- name: arg_min_max
SELECT arg_max(name, salary) AS top, arg_min(name, salary) AS low, max(name, 2) AS two FROM employees;
-- name: first_of_ordered
SELECT boss, first(name ORDER BY salary DESC, name) AS f, last(name ORDER BY id) AS l FROM employees GROUP BY boss ORDER BY boss;
-- name: mode_and_entropy
SELECT mode(name) AS m, entropy(flag) AS e, histogram(flag) AS h FROM nulls WHERE id % 10 < 3;
-- name: approximate_count
SELECT abs(approx_count_distinct(id) - 20000) < 2000 AS near FROM skewed;
-- name: distinct_on
SELECT DISTINCT ON (boss) boss, name FROM employees ORDER BY boss, salary DESC, name;
-- name: group_by_all
SELECT key % 2 AS odd, flag, count(*) AS n FROM nulls GROUP BY ALL ORDER BY ALL;
-- name: order_by_expression
SELECT id, name FROM nulls WHERE id < 40 ORDER BY id % 7, -id;
-- name: order_by_hidden_column
SELECT name FROM employees ORDER BY salary DESC, id;
-- name: deep_expression
SELECT CASE WHEN a > 5 THEN greatest(a, 3) + least(b, 2) * 2 - abs(-a) ELSE round(b / 3.0, 2) END AS v FROM (SELECT id AS a, id * 3 AS b FROM employees) ORDER BY ALL;
-- name: pivot
PIVOT (SELECT boss, name, salary FROM employees) ON boss USING sum(salary) GROUP BY name ORDER BY name;
-- name: unpivot
UNPIVOT (SELECT id, c01, c02, c03 FROM wide WHERE id < 5) ON c01, c02, c03 INTO NAME n VALUE v ORDER BY ALL;
-- name: table_function
SELECT r.i, e.name FROM range(1, 4) r(i) LEFT JOIN employees e ON e.id = r.i ORDER BY ALL;
-- name: columns_expression
SELECT max(COLUMNS('c0[1-3]')) FROM wide;
-- name: star_exclude_replace
SELECT * EXCLUDE (salary) REPLACE (upper(name) AS name) FROM employees ORDER BY id;
-- name: from_first
FROM employees SELECT count(*) AS n WHERE salary > 65;
-- name: semicolon_and_comments
SELECT /* a ; b */ count(*) AS n -- the rest
FROM employees;

-- What once went wrong, reduced from queries that tests/sql/run made up.
-- name: asof_with_few_rows_on_the_left
SELECT e.id, b.id AS other FROM employees e JOIN nulls n ON e.id = n.id ASOF JOIN (SELECT key, id, count(*) AS c FROM nulls GROUP BY ALL) b ON n.key = b.key AND e.id >= b.id;
-- name: regular_expression_without_choice
SELECT count(*) AS n FROM texts WHERE s SIMILAR TO 'a' OR s ~ 'puffin.*';
-- name: slices_without_bounds
SELECT id, numbers[:-:-1] AS r, numbers[2:] AS a, numbers[:2] AS b, numbers[:] AS c, numbers[1:3:2] AS d, list_reverse(matrix) AS m, s.label[2:] AS t FROM nested;
-- name: aggregate_of_null
SELECT key, max(NULL::INTEGER) AS a, any_value(NULL::DATE) AS b, sum(id) AS c FROM nulls GROUP BY key HAVING min(NULL::INTEGER) IS NULL;
-- name: equal_grouping_sets
SELECT key, flag, count(*) AS n, grouping(key) AS g FROM nulls GROUP BY GROUPING SETS ((key), (flag, key), (key), ());
-- name: equal_empty_grouping_sets
SELECT name, sum(id) AS s FROM nulls GROUP BY GROUPING SETS ((name), (), ());
-- name: union_with_one_input_left
SELECT sum(id) AS s FROM (SELECT id FROM nulls UNION ALL SELECT e.id FROM employees e WHERE e.id > 3 AND e.id < 2 UNION ALL (SELECT id FROM empty_table INTERSECT SELECT id FROM nulls WHERE false));
-- name: folded_arguments_in_a_copied_cte
WITH w AS NOT MATERIALIZED (SELECT key, quantile_disc(id, 0.5) AS q, string_agg(name, '-' ORDER BY name) AS t FROM nulls GROUP BY key)
SELECT a.q, a.t FROM w a WHERE NOT EXISTS (SELECT 1 FROM (SELECT b.key AS c FROM nulls n RIGHT JOIN w b ON n.key = b.q ORDER BY c LIMIT 100 OFFSET 3) t WHERE a.q = t.c);
-- name: count_if_over_no_rows
SELECT count_if(id > 3) AS a, countif(flag) AS b, count(id) AS c, (SELECT count_if(flag) FROM nulls) AS d FROM nulls WHERE id < 0;
-- name: blobs_beyond_ascii_are_found
SELECT count(*) AS n, count(DISTINCT b) AS d FROM many_blobs WHERE b = '\xE6\x97'::BLOB OR b IN ('\x00\xFF'::BLOB);
-- name: blobs_beyond_ascii_are_joined
SELECT m.id, o.id AS o FROM many_blobs m JOIN blobs o ON m.b = o.b WHERE o.id = 1 AND m.id < 100;
-- name: null_row_of_unnamed_fields
SELECT count(DISTINCT (key, name)) AS n, list((key, name)) IS NULL AS l FROM (SELECT * FROM nulls WHERE key > 1000000);
-- name: empty_side_with_unnamed_fields
SELECT a.id, b.p IS NULL AS p, b.q IS NULL AS q FROM nulls a LEFT JOIN (SELECT id, (key, name) AS p, [(key, flag)] AS q FROM nulls WHERE id < -5) b ON a.id = b.id WHERE a.id < 4 ORDER BY 1;
-- name: windows_that_nobody_reads
SELECT b.id FROM (SELECT row_number() OVER (PARTITION BY q.name ORDER BY q.id) AS w0, rank() OVER (PARTITION BY q.key ORDER BY q.id) AS w1 FROM nulls q) a LEFT JOIN (SELECT id, flag FROM nulls WHERE id < 5) b ON b.flag;
-- name: constant_keys_of_a_distinct_aggregate
SELECT flag, string_agg(DISTINCT NULL::VARCHAR, ';' ORDER BY NULL::VARCHAR DESC) AS a, string_agg(DISTINCT name, ';' ORDER BY name DESC, 1) AS b, list(DISTINCT 'x' ORDER BY 'x') AS c, string_agg(DISTINCT key::VARCHAR, ',' ORDER BY key::VARCHAR NULLS FIRST) AS d FROM nulls GROUP BY flag;
-- name: disjunction_over_both_sides
SELECT a.id, e.name FROM nulls a JOIN employees e ON a.key = e.id WHERE (a.flag AND e.name > 'C' AND a.id < 100) OR (a.name = 'text 1' AND e.salary < 80) OR (a.id IN (7, 8, 9) AND e.boss IS NULL) ORDER BY 1, 2;
-- name: disjunction_over_a_left_join
SELECT a.id, e.name FROM nulls a LEFT JOIN employees e ON a.key = e.id WHERE (a.id < 20 AND e.name IS NULL) OR (a.id BETWEEN 50 AND 60 AND e.salary > 60) ORDER BY 1, 2;
-- name: disjunction_over_a_full_join
SELECT a.id, k.label FROM nulls a FULL JOIN keys k ON a.key = k.key WHERE (a.id < 20 AND k.label IS NULL) OR (a.id IS NULL AND k.key > 5000) ORDER BY 1, 2;
-- name: disjunction_over_three_tables
SELECT count(*) AS n FROM nulls a, nulls b, employees e WHERE a.key = b.key AND b.id = e.id AND ((a.flag AND b.id < 4 AND e.salary > 70) OR (NOT a.flag AND b.id > 4 AND e.boss = 2));
-- name: disjunction_that_might_fail
SELECT a.id FROM nulls a JOIN employees e ON a.key = e.id WHERE (a.id > 0 AND CAST(substr(a.name, 6) AS INTEGER) = 1 AND e.id = 1) OR (a.id = 0 AND e.id = 2) ORDER BY 1;
