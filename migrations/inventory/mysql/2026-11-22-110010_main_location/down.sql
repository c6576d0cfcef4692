delete from location where id = 'loc_00000000000000000000000000';
