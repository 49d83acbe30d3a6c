-- Other tools write bars of our centuries only: beyond them neither the packed id nor a calendar can tell when a bar was.
-- At the view, not on the table, where a check would cost a tenth of COPY. It fires before `market_data_insert`, by name.

CREATE OR REPLACE FUNCTION market_data_age() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW."time" < '1900-01-01 00:00:00+00' OR NEW."time" >= '2200-01-01 00:00:00+00' THEN
        RAISE EXCEPTION 'A bar of % is of no market; was its time in milliseconds?', NEW."time"
            USING ERRCODE = 'datetime_field_overflow';
    END IF;
    RETURN NEW;
END
$$;

DROP TRIGGER IF EXISTS market_data_age ON market_data;
CREATE TRIGGER market_data_age INSTEAD OF INSERT ON market_data
    FOR EACH ROW EXECUTE FUNCTION market_data_age();
