-- One transfer between two of 10,000 accounts, as pgbench runs it: both rows, the lower id first so that no two
-- transfers wait for each other in a circle, and the record of it, in one durable transaction.
\set first random(1, 10000)
\set second 1 + (:first + random(0, 9998)) % 10000
\set low least(:first, :second)
\set high greatest(:first, :second)
\set amount random(1, 500)
BEGIN;
UPDATE accounts SET balance = balance - :amount WHERE id = :low;
UPDATE accounts SET balance = balance + :amount WHERE id = :high;
INSERT INTO transfers (debit, credit, amount) VALUES (:low, :high, :amount);
COMMIT;
