-- Bars that are stamped with no whole multiple of their timeframe's width: only beside one can two bars share a slot.
-- The index knows them, whoever wrote them, and is empty where nothing is amiss; what is on the grid costs COPY the one
-- comparison. PostgreSQL 13 has no date_bin; there it is told from the epoch, at some of COPY's speed.

DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 140000 THEN
        CREATE OR REPLACE FUNCTION bar_is_stray(timeframe smallint, "time" timestamptz)
        RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
            SELECT date_bin(
                CASE $1
                    WHEN 1 THEN interval '1 minute'
                    WHEN 2 THEN interval '5 minutes'
                    WHEN 3 THEN interval '15 minutes'
                    WHEN 4 THEN interval '30 minutes'
                    WHEN 5 THEN interval '1 hour'
                    WHEN 6 THEN interval '4 hours'
                    WHEN 7 THEN interval '1 day'
                    ELSE interval '7 days'
                END,
                $2, timestamptz '1970-01-05 00:00:00+00'
            ) <> $2
        $body$;
    ELSE
        CREATE OR REPLACE FUNCTION bar_is_stray(timeframe smallint, "time" timestamptz)
        RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
            SELECT ((extract(epoch FROM $2 AT TIME ZONE 'UTC') - 345600) * 1000000)::bigint % (CASE $1
                WHEN 1 THEN 60000000
                WHEN 2 THEN 300000000
                WHEN 3 THEN 900000000
                WHEN 4 THEN 1800000000
                WHEN 5 THEN 3600000000
                WHEN 6 THEN 14400000000
                WHEN 7 THEN 86400000000
                ELSE 604800000000
            END)::bigint <> 0
        $body$;
    END IF;
END
$$;

COMMENT ON FUNCTION bar_is_stray IS 'Whether no slot of this timeframe, counted by the clock of UTC from a Monday, begins then.';

CREATE INDEX IF NOT EXISTS bar_strays ON bar (timeframe, instrument, time) WHERE bar_is_stray(timeframe, time);
