-- Each number becomes a hold of one of a thousand accounts, its capture and the entries of both sides.
insert into account (id, kind, owner, currency, debits_posted, credits_posted, debits_pending, credits_pending, frozen, version,
                     created_at)
select printf('acc_0%025d', k), 'user', printf('usr_0%025d', k), 'USD', 0, 0, 0, 0, 0, 1000000, 1700000000000000 from person;
insert into hold (id, account_id, amount, currency, state, reason, reference, fingerprint, expires_at, created_at)
select printf('hld_0%025d', n), printf('acc_0%025d', n % 1000), 900, 'USD', 'captured', 'order', printf('ord_0%025d', n),
       hex(randomblob(32)), 1700086400000000 + n * 1000, 1700000000000000 + n * 1000
from number;
insert into transfer (id, kind, debit_account, amount, currency, pending_id, reason, reference, outcome, actor, created_at)
select printf('hld_0%025d', n), 'hold', printf('acc_0%025d', n % 1000), 900, 'USD', null, 'order', printf('ord_0%025d', n), 'posted',
       'saga', 1700000000000000 + n * 1000
from number;
insert into transfer (id, kind, debit_account, amount, currency, pending_id, reason, reference, outcome, actor, created_at)
select printf('trf_0%025d', n), 'capture', printf('acc_0%025d', n % 1000), 900, 'USD', printf('hld_0%025d', n), 'order',
       printf('ord_0%025d', n), 'posted', 'saga', 1700000000000000 + n * 1000
from number;
insert into resolution (pending_id, transfer_id) select printf('hld_0%025d', n), printf('trf_0%025d', n) from number;
insert into entry (account_id, account_version, transfer_id, side, amount, balance_after, held_after, created_at)
select printf('acc_0%025d', n % 1000), n / 1000 + 1, printf('trf_0%025d', n), 'debit', 900, 0, 0, 1700000000000000 + n * 1000
from number;
insert into entry (account_id, account_version, transfer_id, side, amount, balance_after, held_after, created_at)
select 'acc_00000000000000000000009999', n, printf('trf_0%025d', n), 'credit', 900, 0, 0, 1700000000000000 + n * 1000 from number;
insert into idempotency (scope, key, fingerprint, status, body, created_at)
select printf('usr_0%025d', n % 1000), hex(randomblob(16)), hex(randomblob(32)), 201, '{}',
       (select max(created_at) from idempotency)
from number;
