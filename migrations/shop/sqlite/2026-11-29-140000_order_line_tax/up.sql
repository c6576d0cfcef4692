-- The rate in hundredths of a percent, and how much of the line's total is tax.
alter table order_line add column tax_rate integer not null default 0
    constraint order_line_tax_rate check (tax_rate between 0 and 10000);
alter table order_line add column tax integer not null default 0
    constraint order_line_tax check (tax between 0 and total);
