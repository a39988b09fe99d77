-- 100,000 rows in memory, joined with themselves by a column without order: each row looks up another.
create table item (id integer primary key, next integer, text text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
  insert into item select i, i * (i + 12345) % 100000 + 1,
    'Two hundred letters are about what a row of a small table takes: a name, an address, some dates '
    || 'and a remark. This text stands for them, and makes the table larger than what a TLB reaches.'
  from n;
select sum(b.next) from item a join item b on b.id = a.next;
