drop table if exists skus;
