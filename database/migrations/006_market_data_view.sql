-- Bars for people who come with SQL: read them, or insert them with the time given.

CREATE OR REPLACE FUNCTION bar_id(instrument integer, timeframe smallint, "time" timestamptz)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ($1::bigint << 39) | ($2::bigint << 35)
         | (floor(extract(epoch FROM $3 AT TIME ZONE 'UTC'))::bigint + 17179869184)
$$;

CREATE OR REPLACE VIEW market_data AS
SELECT
    bar_id(bar.instrument, bar.timeframe, bar.time) AS id,
    instrument.symbol,
    instrument.asset_class,
    timeframe.name AS timeframe,
    bar.time,
    bar.open,
    bar.high,
    bar.low,
    bar.close,
    bar.volume,
    source.name AS source,
    bar.validated,
    bar.quality_score,
    bar.vwap,
    bar.trades,
    bar.quote_volume,
    bar.taker_buy_volume,
    bar.taker_sell_volume,
    bar.open_interest,
    bar.funding_rate,
    bar.liquidations_long,
    bar.liquidations_short,
    bar.long_short_ratio,
    bar.exchange_inflow,
    bar.extended,
    bar.forming,
    bar.flags,
    bar.fetch_id
FROM bar
JOIN instrument ON instrument.id = bar.instrument
JOIN timeframe ON timeframe.code = bar.timeframe
LEFT JOIN source ON source.code = bar.source;

CREATE OR REPLACE FUNCTION market_data_instrument(wanted_symbol text, wanted_class text)
RETURNS integer LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    known integer[] := ARRAY(
        SELECT id FROM instrument
        WHERE symbol = wanted_symbol AND asset_class = coalesce(wanted_class, asset_class)
    );
    class text := coalesce(wanted_class, 'stock');
BEGIN
    IF cardinality(known) > 1 THEN
        RAISE EXCEPTION 'Symbol "%" is tracked in several asset classes; name its asset_class', wanted_symbol;
    END IF;
    IF cardinality(known) = 1 THEN
        RETURN known[1];
    END IF;
    INSERT INTO instrument (symbol, asset_class, exchange)
    VALUES (wanted_symbol, class, CASE class WHEN 'crypto' THEN '24/7' ELSE 'XNYS' END)
    ON CONFLICT DO NOTHING;
    RETURN (SELECT id FROM instrument WHERE symbol = wanted_symbol AND asset_class = class);
END
$$;

CREATE OR REPLACE FUNCTION market_data_source(wanted text)
RETURNS smallint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF wanted IS NOT NULL AND NOT EXISTS (SELECT FROM source WHERE name = wanted) THEN
        INSERT INTO source (name) VALUES (wanted) ON CONFLICT DO NOTHING;
    END IF;
    RETURN (SELECT code FROM source WHERE name = wanted);
END
$$;

CREATE OR REPLACE FUNCTION market_data_insert()
RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    key integer;
    frame smallint := (SELECT code FROM timeframe WHERE name = NEW.timeframe);
BEGIN
    IF NEW.symbol IS NULL OR NEW."time" IS NULL THEN
        RAISE EXCEPTION 'A bar in market_data needs symbol, timeframe and time';
    END IF;
    IF frame IS NULL THEN
        RAISE EXCEPTION 'Timeframe "%" is unknown; the table timeframe lists them', coalesce(NEW.timeframe, 'NULL');
    END IF;
    key := market_data_instrument(NEW.symbol, NEW.asset_class);
    PERFORM pg_advisory_xact_lock(key, frame);
    INSERT INTO bar (
        instrument, timeframe, time, open, high, low, close, volume, vwap, trades, quote_volume,
        taker_buy_volume, taker_sell_volume, open_interest, funding_rate, liquidations_long,
        liquidations_short, long_short_ratio, exchange_inflow, quality_score, fetch_id, source,
        extended, forming, validated, flags
    ) VALUES (
        key, frame, NEW."time", NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume, NEW.vwap, NEW.trades,
        NEW.quote_volume, NEW.taker_buy_volume, NEW.taker_sell_volume, NEW.open_interest, NEW.funding_rate,
        NEW.liquidations_long, NEW.liquidations_short, NEW.long_short_ratio, NEW.exchange_inflow,
        NEW.quality_score, NEW.fetch_id, market_data_source(NEW.source),
        coalesce(NEW.extended, false), coalesce(NEW.forming, false), coalesce(NEW.validated, false), NEW.flags
    );
    INSERT INTO series (instrument, timeframe, tracked, revision, revised_at, bars, first_bar, last_bar)
    VALUES (key, frame, false, 1, clock_timestamp(), 1, NEW."time", NEW."time")
    ON CONFLICT (instrument, timeframe) DO UPDATE SET
        revision = series.revision + 1,
        revised_at = clock_timestamp(),
        bars = series.bars + 1,
        first_bar = least(series.first_bar, EXCLUDED.first_bar),
        last_bar = greatest(series.last_bar, EXCLUDED.last_bar);
    SELECT market_data.* INTO NEW FROM market_data WHERE id = bar_id(key, frame, NEW."time")
        AND symbol = NEW.symbol AND timeframe = NEW.timeframe AND "time" = NEW."time";
    RETURN NEW;
END
$$;

DROP TRIGGER IF EXISTS market_data_insert ON market_data;
CREATE TRIGGER market_data_insert INSTEAD OF INSERT ON market_data
    FOR EACH ROW EXECUTE FUNCTION market_data_insert();
