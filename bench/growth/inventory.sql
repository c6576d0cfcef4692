-- Each number becomes a SKU with its level, and what an order of it leaves behind.
insert into item (sku, title, created_at) select 'GRW-' || n, 'Grown article ' || n, 1700000000000000 from number;
insert into level (sku, location, on_hand, reserved, version)
select 'GRW-' || n, 'loc_00000000000000000000000000', 100, 0, 2 from number;
insert into reservation (id, order_id, state, fingerprint, expires_at, created_at, updated_at)
select printf('rsv_0%025d', n), printf('ord_0%025d', n), 'committed', hex(randomblob(32)), 1700000900000000 + n * 1000,
       1700000000000000 + n * 1000, 1700000000000000 + n * 1000
from number;
insert into reservation_line (reservation, sku, location, quantity)
select printf('rsv_0%025d', n), 'GRW-' || n, 'loc_00000000000000000000000000', 1 from number;
insert into movement (sku, location, version, kind, delta_on_hand, delta_reserved, on_hand, reserved, cause_kind, cause, at)
select 'GRW-' || n, 'loc_00000000000000000000000000', v, case v when 1 then 'reserve' else 'commit' end, 1 - v, 3 - 2 * v,
       102 - v, 2 - v, 'order', printf('ord_0%025d', n), 1700000000000000 + n * 1000
from number join (select 1 as v union select 2);
insert into outbox (number, topic, subject, body, created_at)
select (select coalesce(max(number), 0) from outbox) + n, 'stock.changed', 'GRW-' || n, '{}', (select max(created_at) from outbox)
from number;
