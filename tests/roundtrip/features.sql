select k, g, v from t where v > 10 and g like 'a%' order by k limit 5
select count(*), sum(v), avg(d), min(s), max(dt) from t
select * from t where k in (1,2,3) or g is null
select t.k, u.w from t left join u on t.k = u.k
select t.k, u.w from t right join u on t.k = u.k and t.v > u.w
select t.k, u.w from t full join u on t.k = u.k
select * from t where k in (select k from u)
select * from t where k not in (select k from u where k is not null)
select * from t where k not in (select k from u)
select k, k in (select k from u) from t
select * from t where exists (select 1 from u where u.k = t.k)
select * from t where not exists (select 1 from u where u.k = t.k and u.w > t.v)
select k, (select max(w) from u where u.k = t.k) from t
select k, (select w from u where u.k = t.k limit 1) from t
select k, v > all (select w from u where u.g = t.g) from t
select k, v > any (select w from u) from t
select g, count(distinct k), sum(distinct v), count(*) from t group by g
select count(distinct k) from t
select count(distinct k), count(distinct g) from t
select g, sum(v) filter (where k > 5), count(*) filter (where b) from t group by g
select g, string_agg(s, ',' order by k desc), list(v order by v) from t group by g
select g, k, sum(v) from t group by rollup(g, k)
select g, k, grouping(g), grouping(g,k), sum(v) from t group by cube(g, k)
select g, sum(v) from t group by grouping sets ((g), ())
select distinct g, b from t
select distinct on (g) g, k, v from t order by g, v desc, k
select distinct on (g) g, k, v from t order by v
select k from t union select k from u
select k from t union all select k from u
select k from t intersect select k from u
select k from t except select k from u
select k from t intersect all select k from u
select k from t except all select k from u
select k, row_number() over (partition by g order by v, k) from t
select k, sum(v) over (order by k, v, d, dt, ts rows between 2 preceding and current row) from t
select k, sum(v) over (partition by g order by k range between unbounded preceding and 5 following exclude ties) from t
select k, sum(v) over (partition by g order by k groups between 1 preceding and 1 following exclude group) from t
select k, lag(v, 2, -1) over (partition by g order by k, ts), lead(v) over (partition by g order by k, ts), first_value(v ignore nulls) over (partition by g order by k, ts), nth_value(v, 2) over (partition by g order by k, ts), ntile(4) over (order by k, ts), cume_dist() over (order by k, ts), percent_rank() over (order by k, ts), dense_rank() over (order by g) from t
select k, count(distinct v) over (partition by g) , sum(v) filter (where b) over (partition by g) from t
select k, list(v order by d) over (partition by g) from t
select k, rank(order by v) over (partition by g order by k) from t
select k, row_number() over (partition by g order by k) as rn from t qualify rn = 1
select * from (select k, row_number() over (partition by g order by v desc, k) as rn from t) where rn <= 3
select k, unnest(tags) from u
select k, unnest(st) from u
select u.k, x.unnest from u, unnest(u.tags) as x
select k, list_transform(tags, lambda x: upper(x)), list_filter(tags, lambda x: x <> g), list_transform(tags, lambda x, i: i), list_reduce(['z', g], lambda a, b: a || b) from u
select st.a, st.b, tags[1], tags[1:2], m['a'], l[2] from u join w on u.k = w.k
select {'a': 1, 'b': {'c': [1,2,null]}}, [1,2,3], map {'a': 1}, struct_pack(a := k) from t where k < 20
with recursive r(i) as (select 1 union all select i + 1 from r where i < 10) select * from r
with recursive r(i) as (select k from e union select r.i + 1 from r join t on t.k = r.i) select * from r
with c as materialized (select g, sum(v) s from t group by g) select * from c a, c b where a.s > b.s
with c as (select g, sum(v) s from t group by g) select * from c a join c b on a.g = b.g
select count(*) from (select * from t limit 10 offset 5)
select count(*) from (select * from t limit 10 percent)
select count(*) from (select * from t limit (select count(*) from e) + 3)
select * from t order by v nulls first, d desc nulls last, s collate nocase
select count(*) from (select * from t using sample 10 rows)
select count(*) < 5000 from (select * from t using sample 10 percent (bernoulli))
select count(*) from (select * from t tablesample reservoir(20 rows) repeatable (42))
select count(*) < 5000 from (select * from t tablesample system(10 percent))
select t.k, u.ts from t asof join u on t.k = u.k and t.ts >= u.ts
select t.k, u.ts from t asof left join u on t.k = u.k and t.ts >= u.ts
select t.k, u.ts from t asof join u on t.ts >= u.ts
select count(*) from (select * from t positional join u)
select count(*), sum(t.k), sum(u.w) from t join u on t.k < u.w or t.g = u.g
select count(*), sum(t.k), sum(u.w) from t left join u on t.k < u.w or t.g = u.g
select count(*), sum(t.k), sum(u.w) from t left join u on t.k < u.w
select count(*), sum(t.k), sum(u.w) from t, u where t.v + u.w = 10
select count(*), sum(t.k), sum(u.w) from t cross join u
select * from (values (1,'a',null::double),(2,'b',1.5)) v(a,b,c)
select * from range(10)
select * from t, generate_series(1, t.k) where t.k < 5
select 1, 'a', null, 1.5, true, date '2020-01-01', timestamp '2020-01-01 00:00:00.123456', interval '1 month 2 days 3 seconds', 170141183460469231731687303715884105727, 1e300, 'a\xFFbc'::blob, time '12:34:56.789', '12:34:56+02'::timetz, uuid '00000000-0000-0000-0000-000000000001', -5::tinyint, 255::utinyint, 1.23456789012345678901234567890::decimal(38,29), 'a'::enum('a','b'), [1,2]::integer[2], timestamp_ns '2020-01-01 00:00:00.123456789', timestamp_s '2020-01-01 00:00:00', timestamp_ms '2020-01-01 00:00:00.123', '-infinity'::date, 'infinity'::timestamp
select * from t where dt between date '2020-01-01' and date '2020-02-01' and dec = 1.5 and ts > timestamp '2020-01-01'
select case g when 'a' then 1 when 'b' then 2 else 3 end, coalesce(g, s), nullif(k, 1), k::varchar, try_cast(s as integer), if(b, 1, 2) from t
select extract(year from dt), date_trunc('month', ts), dt + interval '1 month', dt - date '2020-01-01', ts::date, strftime(dt, '%Y'), date_part('dow', dt) from t
select s like 'a%b', s ilike 'A%', s not like '%x', s similar to 'a.*', regexp_matches(s, 'x+'), s glob 'a*', s[1:2], s || 'x', substring(s, 2, 3), regexp_replace(s, 'a', 'b', 'g') from t
select k + 1, k - 1, k * 2, k / 2, k // 2, k % 3, k ** 2, k & 1, k | 2, k << 1, xor(k, 1), ~k, -k, abs(k), k!=1 from t where k < 1000
select k is distinct from v, k is not distinct from v, not b, b and k > 1 or v < 3, b is true, b is not false, k between 1 and 3, k not between 1 and 3 from t
select quantile_cont(d, 0.5), median(d), stddev(v), var_samp(v), approx_count_distinct(k), arg_max(k, k), arg_min(v, v), histogram(g), bool_and(b), bool_or(b), bit_and(k), bit_or(k), bit_xor(k), product(d), entropy(g), max(v, 3), quantile_disc(k, [0.1, 0.9]), count_if(b), favg(d), fsum(d), sum(dec), avg(dec), avg(k), sum(k), avg(ts), min(ts), sum(d), countif(b), approx_quantile(k, 0.5) > 0, mad(d), bitstring_agg(k, 0, 100000) from t
select g, arg_max(s, v), max(v, 2), quantile_cont(d, [0.25, 0.5]) from t group by g
select g from t group by g having count(*) > 1 order by count(*) desc, g limit 3
select sum(v) from t where false
select g, sum(v) from t where 1 = 0 group by g
select count(*) < 5000 from (select k from t where random() < 0.5)
select t.g, count(*) from t join u on t.k = u.k join w on w.k = t.v group by t.g order by 2 desc, 1 limit 3
select (select count(*) from t), (select max(w) from u)
select k, (select count(*) from u where u.w < t.v) from t
select t.k from t, lateral (select w from u where u.k = t.k order by w desc limit 2) x
select t.k, x.w from t left join lateral (select w from u where u.k = t.k order by w desc, ts limit 2) x on true
select json_extract(js, '$.a'), js->>'a', js::varchar from ty
select un.num, union_tag(un), union_extract(un, 'str'), st.a, li[1], ar[2], mp['a'], array_length(ar), en, en::varchar, uu, iv, bt, tmtz from ty
select min(ti), min(si), min(i), min(bi), min(hi), min(uti), min(usi), min(ui), min(ubi), min(uhi), min(f), min(d), min(de4), min(de38), min(s), min(bl), min(bt), min(dt), min(tm), min(tmtz), min(ts), min(tss), min(tsm), min(tsn), epoch_us(min(tstz)), min(iv), min(uu), min(en), min(li), min(ar), min(st), min(mp), min(un), min(js) from ty
select sum(ti), sum(si), sum(i), sum(bi), sum(hi), sum(uti), sum(ui), sum(ubi), sum(uhi), sum(f), sum(d), sum(de4), sum(de38), avg(ti), avg(hi), avg(ubi), avg(uhi), avg(f), avg(de4), avg(de38), avg(iv), avg(dt), avg(tm), avg(ts), epoch_us(avg(tstz)), sum(b::int) from ty, (select true b)
select * exclude (tstz), epoch_us(tstz) from ty where ti = 1 and hi = 12345678901234567890123 and de38 = 1.5 and bl = 'a\x00b'::blob and tm = time '01:02:03' and tstz > timestamptz '2020-01-01 00:00:00+00' and iv > interval '1 day' and uu = '00000000-0000-0000-0000-000000000001' and en = 'a' and li = [1,2] and ar = [1,2,3]::integer[3] and st = {'a':1,'b':'x'} and mp = map {'a': 1} and f > 1.5 and uhi = 5 and tsn > '2020-01-01'::timestamp_ns
select ty.* exclude (js, tstz) from ty
select count(*) from t
select 42
select * from e
select g, sum(e.v) from e, t group by g
select max(v), count(*) from e
select t.k from t semi join u on t.k = u.k
select t.k from t anti join u on t.k = u.k
select g, k, v from t order by g desc nulls last, k nulls first, v, d, dt, ts limit 10 offset 3
select a.k, b.k, c.k from t a join t b on a.k = b.v join t c on b.k = c.v where a.g = 'a'
select k as a, k as a, g as "we ird ""name" from t
select g, count(*) c, sum(c) over () from (select g from t) group by g
select sum(sum(v)) over (partition by g) from t group by g, k
select * from (select g, count(*) n from t group by g) a join (select g, count(*) m from u group by g) b using (g)
select * from (select k, sum(v) from t group by k) a join (select k, sum(w) from u group by k) b using (k)
select t.k, sum(u.w) from t join u on t.k = u.k group by t.k
select max(k) from (select k from t union all select k from u union all select n from w)
select x.g, y.c from (select g, count(*) c from t group by g union all select g, count(*) c from u group by g) y join t x on x.g = y.g where x.k < 100
select t.g, u.g from t join u on t.k = u.k and t.d < u.x
select t.g from t join u on t.g is not distinct from u.g
select * from t where (k, g) in (select k, g from u)
select * from t where (k, g) not in (select k, g from u)
select t.k from t where v > (select avg(v) from t)
select t.k from t where v > (select avg(w) from u where u.g = t.g)
select t.k, exists(select 1 from u where u.k = t.k) from t
select t.k, not exists(select 1 from u where u.k = t.k and u.w > 5) from t
select count(*) from t where d = 'nan'::double or d = -0.0
select d, count(*) from t group by d
select t.k from t join u on t.d = u.x
select g, first(k order by v, k), last(s order by v, k), array_agg(distinct k order by k) from t group by g
select distinct on (g, b) * from t order by g, b, v, k
select count(*) from (select distinct k, g from t)
select sum(c) from (select g, count(*) c from t group by g)
select g, avg(c) from (select g, k, count(*) c from t group by g, k) group by g
select date_trunc('month', dt) m, g, sum(dec), avg(dec), count(*) from t group by all order by all
select k, d from t order by d desc, k, v limit 3
pivot t on g in ('a','b') using sum(v) group by b
from t select k where k = (select k from u where w = 3 limit 1)
select (select w from u where u.k = t.k) from t
select list_value(k, v), struct_extract(st, 'a'), array_value(1,2), list_concat(tags, ['z']), list_contains(tags,'a'), len(tags), list_sort(tags), [x for x in tags if x > 'a'], map_keys(m), cardinality(m) from u join w using (k) join t using (k)
select columns('k|g') from t
select t.k from t where exists (select 1 from u where u.k = t.k and exists (select 1 from w where w.k = u.w and w.n <> t.v))
select sum(v) over w1, avg(v) over w1 from t window w1 as (partition by g, b order by k)
select k, sum(v) over (partition by g order by k), sum(v) over (partition by g, b order by k) from t
select u.k, unnest(tags), unnest([1,2]) from u
select k, g from t where g in ('a', 'b', null) and k not in (1,2)
select g, max(k) filter (where v > (select avg(w) from u)) from t group by g
select b, g, count(*) from t group by b, g having sum(v) > (select sum(w)/100 from u) order by 1,2
select count(*) from (select unnest(approx_top_k(g, 3)) from t)
select s, g from t where s > 'm' order by s, g limit 7
select 'a' || g, hash(k) % 4 from t
select k from t where k > 10 limit 0
select 'nan'::double
select 'abc'::blob, '\x00\xFF'::blob
select g from t where d = 'inf'::double
select count(distinct k), sum(v), avg(d), max(s), count(*) from t where d < 100
select sum(distinct v), avg(distinct v), count(*) filter (where b), min(k) from t
select g, stddev(v), var_pop(v) filter (where b), stddev_samp(k) from t group by g
select stddev_samp(v), variance(v), stddev_pop(v) from t
select stddev(v), count(distinct k) from e
select g, arg_max(k, ts), arg_min(v, ts) filter (where k > 5), first(g), last(g), any_value(g) from t group by g
select k from t where k not in (select w from u where w > 100000)
select a.g, count(*) from t a full join u b on a.k = b.k and a.v > b.w group by a.g
select * from (select g, sum(v) v from t group by g) a full join (select g, sum(w) w from u group by g) b on a.g = b.g
select * from (select g, sum(v) v from t group by g) a right join (select distinct g from u) b on a.g = b.g
select count(*) from t a, t b where a.k = b.k and a.g <> b.g
select k, (select sum(w) from u where u.k > t.k and u.g = t.g) from t where v < 50
select sum(v), g from t group by grouping sets ((g), (b), ()) order by all
select g, b, grouping(b, g), grouping(b), count(distinct k) from t group by rollup(g, b)
select count(*) from (select k from t union select w from u) where k > 10
select g, count(*) from (select g, v from t union all select g, w from u union all select 'zz', k from w) group by g
select x.k, y.k from (select k, g from t union all select k, g from u) x left join u y on x.k = y.k
select g, row_number() over (partition by g order by ts) rn, sum(v) over (partition by g order by ts) from t qualify rn < 4
select t.k from t where exists (select 1 from u where u.g = t.g and u.w > t.v and u.x <> t.d)
select distinct on (g) g, k from (select g, k, ts from t union all select g, k, ts from u) order by g, k desc, ts
select k, v from t order by v desc, k, ts limit 5 offset 2
with a as (select g, count(*) c from t group by g), b as (select g, max(c) m from a group by g) select a.g, a.c, m from a join b using (g) join a a2 on a2.g = a.g
with c as materialized (select g, k from t union all select g, k from u) select c1.g, count(*) from c c1 join c c2 on c1.k = c2.k group by c1.g
select t.g, (select count(*) from u where u.g is not distinct from t.g) from t group by t.g
select max(k), min(k) from t where k > 1000000
select count(*), sum(k) from t limit 1
select e.k from e left join t on e.k = t.k
select t.k, e.v from t left join e on e.k = t.k where t.k < 50
select count(*) from t where k in (select k from e)
select count(*) from t where k not in (select k from e)
select k, k in (select k from e), k not in (select k from u) from t
select g, median(v), quantile_disc(v, 0.25), mode(b) from t group by g
select g, list(k order by k, ts), string_agg(s, '|' order by s) from t group by g
select sum(dec * 1.5), avg(dec + 1), sum(dec * dec), max(dec - 1.00), min(-dec) from t
select dec / 3, dec % 2, round(dec, 1), abs(dec), dec::integer, dec * 2::decimal(5,3) from t
select a.k, b.w from t a asof join u b on a.g = b.g and a.ts >= b.ts where a.k < 40
select t.k, u.k from t, u where t.g = u.g and abs(t.k - u.k) < 2
select * exclude (tags) from u where st.a > 5
select st.a % 3 m, count(*) from u group by m
select k, v from t except all select k, w from u
select tag, count(*) from (select unnest(tags) tag from u) group by tag
select g, count(*) from t tablesample 100 percent group by g
select t.b, max(u.st) , min(u.tags) from t join u using (k) group by t.b
select g, max([k, v]), min({'a': k}) from t group by g
select count(*) from (select row_number() over () from t)
select sum(r) from (select rank() over (order by v) r from t)
select k, last_value(v) over (partition by g order by ts rows between unbounded preceding and unbounded following) from t
select approx_count_distinct(k) > 10 from t
select u.k from u where u.w = (select max(w) from u u2 where u2.g = u.g)
select 1 from t where false
select (select k from t where k = 7 and v = 217)
select g from t group by g having count(distinct k) > 20
select g, quantile_cont(d, -0.25), quantile_disc(v, [-0.1, -0.9]), percentile_disc(0.3) within group (order by v desc) from t where d < 1000 group by g
select quantile_disc(v, -0.25), percentile_cont(0.5) within group (order by k desc) from t
select k, struct_insert(st, c := k, "d e" := w, "F" := [w]) from u
select k, struct_update(st, a := w::integer, z := tags) from u
select struct_insert(st, y := k + 1).y + struct_insert({'q': 1}, r := w).r from u
with recursive r(k, n) using key (k) as (select k, 1 from u where k < 20 union select r.k, r.n + 1 from r join u on u.k = r.k where r.n < 3) select * from r
with recursive r(a, b, n) using key (a, b) as (select k % 3, g, 1 from u where k < 9 union select a, b, n + 1 from r where n < 4) select a, b, n from r
select k, sum(v) over (partition by g), count(*) over (partition by b), max(v) over (partition by g, b), min(v) over () from t
select k, rank() over (partition by g order by v, k), rank() over (partition by b order by v, k), row_number() over (order by k, v, d, dt, ts) from t
select count(distinct k), count(distinct g), sum(distinct v), avg(d), count(*) from t where d < 1000
select count(distinct b), max(v), count(distinct dt) filter (where b) from t
select count(distinct k), count(distinct g) from (select k, g from t union all select w, g from u)
select count(distinct k), count(distinct w) from t join u using (k)
select count(distinct v), count(distinct k) from e
select t.k, u.w from t left join u on t.k = u.k and t.v > 5
select t.k, u.w from t left join u on t.k = u.k and t.v > 5 and u.w < t.v and abs(t.k) = u.k
select t.k, u.w from t full join u on t.k = u.k and t.v > 5
select count(*) from t right join u on t.k = u.k and u.w > 5
select e.k, t.v from e full join t on e.k = t.k
select * from (select k from t where k < 0) a join t using (k)
select * from (select k from t where k < 0) a left join u using (k)
select t.k, a.w from t left join (select k, w from u where w < -1000) a using (k)
select t.k from t where k not in (select k from u where w < -1000) and exists (select 1 from w where w.k = t.k)
select t.k from t join (select g, max(k) k from t where g = 'a' group by g) m on m.k = t.k
select a.g, count(*) from (select g, k from t where g in ('a', 'b')) a join (select k, row_number() over (partition by k order by w) rn from u) b using (k) where rn = 1 group by a.g
select a.k, b.c from (select distinct k from t where v < 40) a join (select k, count(*) c from u group by k) b using (k)
select a.k, x.w from (select k from t where v < 40) a join (select k, w from u union all select k, v from t) x using (k)
select a.k, x.w from (select k from t where v < 40) a join (select t.k, u.w from t left join u on t.k = u.w) x using (k)
select count(*) from (select k, ts from t where v < 60) a join (select t.ts, u.k from t asof join u on t.k = u.k and t.ts >= u.ts) x on a.k = x.k
