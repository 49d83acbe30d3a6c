-- What is computed from bars, and can be at any time again. A feature is a column, added from the code's registry.

CREATE TABLE IF NOT EXISTS bar_feature (
    instrument integer NOT NULL,
    timeframe smallint NOT NULL,
    time timestamptz NOT NULL,
    PRIMARY KEY (instrument, timeframe, time)
);
