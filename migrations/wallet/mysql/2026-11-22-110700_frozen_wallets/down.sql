drop table if exists frozen_wallet;
