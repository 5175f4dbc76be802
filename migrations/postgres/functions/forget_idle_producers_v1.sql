-- Forgets what partitions know of producers that appended nothing for a while, the longest idle first;
-- returns how many pairs.
--
-- What holds: the head remembers up to which producer id it forgot, in the same transaction, so that a
-- forgotten producer is known as such. Heads are locked before producer rows are touched, as in a commit,
-- and idleness is looked at again under the lock: a commit may have come in between.
CREATE OR REPLACE FUNCTION forget_idle_producers_v1(p_idle_ms bigint, p_limit bigint)
RETURNS bigint
LANGUAGE plpgsql
AS $function$
DECLARE
    v_before    timestamptz := clock_timestamp() - make_interval(secs => p_idle_ms / 1000.0);
    v_topic     integer[];
    v_partition integer[];
    v_producer  bigint[];
    v_forgotten bigint;
BEGIN
    -- A scan of the table: an index on the time would cost every commit more than this costs now and then.
    SELECT array_agg(q.topic_id), array_agg(q.partition), array_agg(q.producer_id)
    INTO v_topic, v_partition, v_producer
    FROM (
        SELECT pp.topic_id, pp.partition, pp.producer_id
        FROM producer_partition pp
        WHERE pp.updated_at <= v_before
        ORDER BY pp.updated_at, pp.topic_id, pp.partition, pp.producer_id
        LIMIT p_limit
    ) q;

    PERFORM 1 FROM log_head lh
    WHERE (lh.topic_id, lh.partition) IN (SELECT u.t, u.p FROM unnest(v_topic, v_partition) AS u (t, p))
    ORDER BY lh.topic_id, lh.partition
    FOR NO KEY UPDATE OF lh;
    -- pause: forget holds heads

    WITH forgotten AS (
        DELETE FROM producer_partition pp
        USING unnest(v_topic, v_partition, v_producer) AS u (t, p, id)
        WHERE pp.topic_id = u.t AND pp.partition = u.p AND pp.producer_id = u.id
            AND pp.updated_at <= v_before
        RETURNING pp.topic_id, pp.partition, pp.producer_id
    ), highest AS (
        SELECT f.topic_id, f.partition, max(f.producer_id) AS producer_id
        FROM forgotten f
        GROUP BY f.topic_id, f.partition
    ), marked AS (
        UPDATE log_head lh SET forgotten_through = h.producer_id
        FROM highest h
        WHERE lh.topic_id = h.topic_id AND lh.partition = h.partition
            AND lh.forgotten_through < h.producer_id
    )
    SELECT count(*) INTO v_forgotten FROM forgotten;
    RETURN v_forgotten;
END
$function$;
