-- Empties a bucket of extents if all that it holds is archived or belongs to deleted topics; returns whether it did.
--
-- What holds: under the exclusive lock no commit that wrote into the bucket is open, and the statement that looks
-- again begins after the lock was had. Looking before that saves locking in vain. Each head costs one look-up in the
-- bucket's index; the lock is waited for shortly, and given up rather than to hold up commits behind it.
CREATE OR REPLACE FUNCTION empty_bucket_v1(p_bucket integer) RETURNS boolean
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET jit = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
DECLARE
    c_now   CONSTANT bigint := floor(extract(epoch FROM clock_timestamp()) / 900)::bigint;
    c_table CONSTANT text := format('extent_%s', p_bucket);
    c_needed CONSTANT text := format(
        'SELECT EXISTS (
             SELECT FROM log_head lh
             WHERE lh.archived_to < lh.next_offset AND EXISTS (
                 SELECT FROM %1$I e
                 WHERE e.topic_id = lh.topic_id AND e.partition = lh.partition
                     AND e.end_offset > lh.archived_to))
             OR NOT EXISTS (SELECT FROM %1$I)', c_table);
    v_needed boolean;
BEGIN
    -- Commits write here now, or did a moment ago: it would be emptied again and again.
    IF p_bucket IN (c_now % 8, (c_now + 7) % 8) THEN
        RETURN false;
    END IF;
    EXECUTE c_needed INTO v_needed;
    IF v_needed THEN
        RETURN false;
    END IF;
    -- pause: empty looked

    PERFORM set_config('lock_timeout', '200ms', true);
    BEGIN
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', c_table);
    EXCEPTION WHEN lock_not_available THEN
        RETURN false;
    END;
    -- pause: empty holds bucket
    EXECUTE c_needed INTO v_needed;
    IF v_needed THEN
        RETURN false;
    END IF;
    EXECUTE format('TRUNCATE %I', c_table);
    RETURN true;
END
$function$;
