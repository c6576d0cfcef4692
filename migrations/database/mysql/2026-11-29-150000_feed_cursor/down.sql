drop table if exists feed_cursor;
