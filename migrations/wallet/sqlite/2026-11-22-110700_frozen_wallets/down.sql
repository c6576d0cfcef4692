drop table frozen_wallet;
