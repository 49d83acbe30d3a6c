-- name: deliver
-- Hands executions that jobs want and nobody is at to the queue, dead workers' first, but for those waiting there.
SELECT barhouse_queue.procrastinate_defer_jobs_v1(array_agg(
    ROW (%(queue)s, %(task)s, CASE c.class WHEN 'critical' THEN 2 WHEN 'large' THEN 1 ELSE 0 END
         + CASE e.status WHEN 'in_progress' THEN 3 ELSE 0 END, NULL, e.execution_id,
         jsonb_build_object('execution', e.execution_id), NULL)
    ::barhouse_queue.procrastinate_job_to_defer_v1 ORDER BY e.id))
FROM backfill_state_persistent e
LEFT JOIN refresh_class c ON c.symbol = e.symbol
WHERE e.wanted_start IS NOT NULL
  AND (e.status = 'pending' OR e.status = 'in_progress' AND e.lease_expires_at <= clock_timestamp())
  AND (%(executions)s::uuid[] IS NULL OR e.execution_id = ANY (%(executions)s))
  AND NOT EXISTS (SELECT FROM barhouse_queue.procrastinate_jobs q
                  WHERE q.queueing_lock = e.execution_id::text AND q.status IN ('todo', 'doing'))
HAVING count(*) > 0;

-- name: alone
-- Whether nobody else recovers tasks just now; then nobody does until the transaction ends.
SELECT pg_try_advisory_xact_lock(%(lock)s);

-- name: revive
-- Puts back what dead workers had in hand, and what was taken up so long ago and nobody holds: its receipt was lost.
UPDATE barhouse_queue.procrastinate_jobs q
SET status = 'todo', attempts = attempts + 1, worker_id = NULL
WHERE q.status = 'doing'
  AND (NOT EXISTS (SELECT FROM barhouse_queue.procrastinate_workers w
                   WHERE w.id = q.worker_id AND w.last_heartbeat > clock_timestamp() - %(stalled)s::interval)
       OR NOT EXISTS (SELECT FROM barhouse_queue.procrastinate_events v
                      WHERE v.job_id = q.id AND v.type = 'started'
                        AND v.at > clock_timestamp() - %(stalled)s::interval)
          AND NOT EXISTS (SELECT FROM backfill_state_persistent e
                          WHERE e.execution_id::text = q.args ->> 'execution' AND e.status = 'in_progress'
                            AND e.lease_expires_at > clock_timestamp()));
