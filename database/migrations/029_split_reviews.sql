-- Whose splits have to be decided anew, since bars about the day of one changed: written with those bars.

CREATE TABLE IF NOT EXISTS split_review (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE split_review IS 'Bars of the instrument changed about the day of a split; the row goes when that was decided.';
