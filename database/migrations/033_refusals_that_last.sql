-- A refusal that stays as it is (the plan, the request) is another thing than a failure that passes: only after the
-- latter another source's "nothing" says nothing.

ALTER TABLE coverage DROP CONSTRAINT IF EXISTS coverage_state_check;
ALTER TABLE coverage ADD CONSTRAINT coverage_state_check
    CHECK (state IN ('fetched', 'empty', 'failed', 'refused', 'unreachable', 'unknown'));
