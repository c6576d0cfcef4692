-- The rate in hundredths of a percent, and how much of the line's total is tax.
alter table order_line
    add column tax_rate bigint not null default 0,
    add column tax bigint not null default 0,
    add constraint order_line_tax_rate check (tax_rate between 0 and 10000),
    add constraint order_line_tax check (tax between 0 and total);
