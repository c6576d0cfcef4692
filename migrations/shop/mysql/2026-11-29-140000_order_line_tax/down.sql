alter table order_line
    drop constraint order_line_tax_rate,
    drop constraint order_line_tax,
    drop column tax,
    drop column tax_rate;
