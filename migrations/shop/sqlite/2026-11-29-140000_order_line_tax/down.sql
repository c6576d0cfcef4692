alter table order_line drop column tax;
alter table order_line drop column tax_rate;
