-- The facts: what a vendor said. No foreign key, no trigger and no default, for COPY's sake; `fetch_id` says when.

CREATE TABLE IF NOT EXISTS bar (
    instrument integer NOT NULL,
    timeframe smallint NOT NULL,
    time timestamptz NOT NULL,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume double precision,
    vwap double precision,
    trades double precision,
    quote_volume double precision,
    taker_buy_volume double precision,
    taker_sell_volume double precision,
    open_interest double precision,
    funding_rate double precision,
    liquidations_long double precision,
    liquidations_short double precision,
    long_short_ratio double precision,
    exchange_inflow double precision,
    quality_score double precision,
    fetch_id bigint,
    source smallint,
    extended boolean NOT NULL,
    forming boolean NOT NULL,
    validated boolean NOT NULL,
    flags text,
    PRIMARY KEY (instrument, timeframe, time)
);

COMMENT ON COLUMN bar.time IS 'The open of the bar, canonical, in UTC.';
COMMENT ON COLUMN bar.fetch_id IS 'The fetch (enrichment_fetch_log.id) that first stored the bar as settled.';
