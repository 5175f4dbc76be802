-- Writes down what a job did; nothing happens if another incarnation holds its lease.
CREATE OR REPLACE FUNCTION report_job_v1(p_name text, p_incarnation uuid, p_report text) RETURNS void
LANGUAGE sql AS $function$
    UPDATE job j SET report = p_report::jsonb, report_at = clock_timestamp()
    WHERE j.name = p_name AND j.incarnation = p_incarnation
$function$;
