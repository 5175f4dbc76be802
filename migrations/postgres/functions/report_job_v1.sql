-- Writes down what a job did, and with `p_done` that all it had to do is done now; nothing happens if another incarnation
-- holds its lease.
CREATE OR REPLACE FUNCTION report_job_v1(p_name text, p_incarnation uuid, p_report text, p_done boolean) RETURNS void
LANGUAGE sql AS $function$
    UPDATE job j
    SET report = p_report::jsonb, report_at = clock_timestamp(),
        done_at = CASE WHEN p_done THEN clock_timestamp() ELSE j.done_at END
    WHERE j.name = p_name AND j.incarnation = p_incarnation
$function$;
