drop table feed_cursor;
