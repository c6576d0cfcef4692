drop table skus;
