alter table sessions drop column proved;
