-- The smallest id there is, so that the default location is the first in the order of ids.
insert ignore into location (id, name, is_default, created_at) values ('loc_00000000000000000000000000', 'Main', 1, 0);
