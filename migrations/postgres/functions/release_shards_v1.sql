-- Gives shards back: those that the incarnation holds with these epochs.
--
-- What holds: no write of the incarnation to these shards is under way, and none can come after.
CREATE OR REPLACE FUNCTION release_shards_v1(p_incarnation uuid, p_shard smallint[], p_epoch bigint[]) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
    -- Lock first, change afterwards: an update alone locks in no order.
    PERFORM 1
    FROM coordinator_shard s
    WHERE s.incarnation = p_incarnation AND s.shard = ANY (p_shard)
    ORDER BY s.shard
    FOR UPDATE;
    -- pause: release holds shards

    UPDATE coordinator_shard s SET incarnation = NULL
    FROM unnest(p_shard, p_epoch) AS q (shard, epoch)
    WHERE s.shard = q.shard AND s.epoch = q.epoch AND s.incarnation = p_incarnation;
END
$function$;
