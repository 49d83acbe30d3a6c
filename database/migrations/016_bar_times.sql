-- Bars of our centuries only: beyond them neither the packed id nor a calendar can tell when a bar was. What other tools
-- write as the year 53000 was in milliseconds.

ALTER TABLE bar DROP CONSTRAINT IF EXISTS bar_time_is_of_our_centuries;
ALTER TABLE bar ADD CONSTRAINT bar_time_is_of_our_centuries
    CHECK (time >= '1900-01-01 00:00:00+00' AND time < '2200-01-01 00:00:00+00');
