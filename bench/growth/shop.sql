-- `number` (n, from 1) and `person` (k, id; a thousand from 0) are given. Each number becomes a product, and an order of one
-- of twenty people, so that even a thousand orders fill everybody's first page.
insert into product (id, slug, title, description, vendor, kind, tags, options, images, extra, status, supplier, price_from,
                     registered, version, created_at, updated_at)
select printf('prd_0%025d', n), 'grown-' || n, 'Grown article ' || n, 'One of many.', 'Yardstick Goods', '', '[]', '[]', '[]', '{}',
       'active', null, 900 + n % 40 * 100, 1, 1, 1700000000000000 + n * 1000, 1700000000000000 + n * 1000
from number;
insert into skus (sku, product, position, title, options, amount, currency, compare_at, barcode, grams, image, extra, archived,
                  created_at)
select 'GRW-' || n, printf('prd_0%025d', n), 0, '', '[]', 900 + n % 40 * 100, 'USD', null, '', 0, '', '{}', 0,
       1700000000000000 + n * 1000
from number;
insert into search_term (term, product, weight) select 'grown', printf('prd_0%025d', n), 8 from number;
insert into search_term (term, product, weight) select 'article', printf('prd_0%025d', n), 8 from number;
insert into search_term (term, product, weight) select '' || n, printf('prd_0%025d', n), 8 from number;
insert into search_term (term, product, weight) select 'word' || (n % 1009), printf('prd_0%025d', n), 1 from number;
-- Two words of half of all products each, which meet in ten, the oldest.
insert into search_term (term, product, weight) select 'even', printf('prd_0%025d', n), 1 from number where n % 2 = 0;
insert into search_term (term, product, weight) select 'odd', printf('prd_0%025d', n), 1 from number where n % 2 = 1 or n <= 20;
insert into search_term (term, product, weight) select 'term' || (n / 10), printf('prd_0%025d', n), 1 from number;
insert into category (id, slug, name, parent, position, version, created_at)
values ('cat_00000000000000000000000001', 'quarter', 'A quarter', null, 0, 1, 0),
       ('cat_00000000000000000000000002', 'ten', 'Ten', null, 1, 1, 0),
       ('cat_00000000000000000000000003', 'parent', 'Of two that are sparse', null, 2, 1, 0),
       ('cat_00000000000000000000000004', 'sparse', 'Sparse', 'cat_00000000000000000000000003', 0, 1, 0),
       ('cat_00000000000000000000000005', 'sparser', 'Sparser', 'cat_00000000000000000000000003', 1, 1, 0);
create temp table member (category text not null, n integer not null);
insert into member select 'cat_00000000000000000000000001', n from number where n % 4 = 0;
insert into member select 'cat_00000000000000000000000002', n from number where n % ((select max(n) from number) / 10) = 0;
insert into member select 'cat_00000000000000000000000004', n from number where n % 36 = 0;
insert into member select 'cat_00000000000000000000000005', n from number where n % 72 = 0;
insert into product_category (product, category, status, title, price_from, created_at)
select printf('prd_0%025d', n), category, 'active', 'Grown article ' || n, 900 + n % 40 * 100, 1700000000000000 + n * 1000
from member;
drop table member;

-- Every third was cancelled. That an order is placed and its money given back are true together of the ten oldest alone.
insert into orders (id, number, buyer, status, payment_status, fulfilment_status, currency, total, step, hold_attempt, accepted,
                    version, lease_until, attempts, created_at, updated_at)
select printf('ord_0%025d', n), '' || (1000000000 + n * 6700417 % 8999999993), p.id, iif(n % 3 = 2 and n > 10, 'cancelled', 'placed'),
       iif(n % 3 = 2 or n <= 10, 'voided', 'paid'), 'unfulfilled', 'USD', 900, 'done', 1, 0, 3, 0, 0, 1700000000000000 + n * 1000,
       1700000000000000 + n * 1000
from number join person p on p.k = n % 20;
insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
select printf('ord_0%025d', n), 0, 'GRW-' || n, printf('prd_0%025d', n), 'Grown article ' || n, null, 1, 900, 900 from number;
-- One SKU is in a quarter of all orders.
insert into order_line (order_id, position, sku, product, title, supplier, quantity, unit_price, total)
select printf('ord_0%025d', n), 1, 'GRW-0', printf('prd_0%025d', 1), 'Giveaway', null, 1, 0, 0 from number where n % 4 = 0;
insert into order_event (order_id, version, kind, actor, detail, created_at)
select printf('ord_0%025d', n), v, case v when 1 then 'created' when 2 then 'committed' else 'placed' end, 'saga', '{}',
       1700000000000000 + n * 1000
from number join (select 1 as v union select 2 union select 3);
insert into outbox (number, topic, subject, body, created_at)
select (select coalesce(max(number), 0) from outbox) + n, 'order.placed', printf('ord_0%025d', n), '{}',
       (select max(created_at) from outbox)
from number;
insert into idempotency (scope, key, fingerprint, target, created_at)
select p.id, hex(randomblob(16)), hex(randomblob(32)), printf('ord_0%025d', n), (select max(created_at) from outbox)
from number join person p on p.k = n % 20;
