-- Takes those of the wanted shards that nobody holds, and returns who holds each shard that was ever taken.
--
-- What holds:
-- * A fenced or unknown incarnation and another past each raise an error: then nothing was taken.
-- * A shard is taken under FOR UPDATE of its row, so no write of its former holder is under way, and none can come after:
--   it finds another epoch. Whoever ended that holder has waited for its writes, too.
-- * Shards are locked ascending, and before the claimer's own fence row: claimers wait for each other, never in a circle.
-- * Every agent asks once a second: where nothing is free, nothing is locked.
--
-- A holder that does not live holds nothing. Nobody comes back to life, and one that was forgotten has no row, so what is
-- seen to be free stays so until somebody takes it.
CREATE OR REPLACE FUNCTION claim_shards_v1(
    p_system bigint, p_timeline integer, p_incarnation uuid, p_wanted smallint[]
) RETURNS TABLE (o_shard smallint, o_epoch bigint, o_incarnation uuid)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    v_free  smallint[];
    v_state smallint;
BEGIN
    PERFORM same_past_v1(p_system, p_timeline);

    SELECT array_agg(DISTINCT w.shard) INTO v_free
    FROM unnest(p_wanted) AS w (shard)
    WHERE NOT EXISTS (
        SELECT FROM coordinator_shard s JOIN agent a ON a.incarnation = s.incarnation AND a.state = 0
        WHERE s.shard = w.shard);

    IF v_free IS NULL THEN
        SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation;
    ELSE
        -- A row that nobody has seen before it is taken: below, or not at all.
        INSERT INTO coordinator_shard (shard, epoch)
        SELECT f.shard, 0 FROM unnest(v_free) AS f (shard) ORDER BY f.shard
        ON CONFLICT (shard) DO NOTHING;

        -- Lock first, look and change afterwards: an update alone locks in no order, and what else is read by the
        -- statement that waits is as old as its snapshot.
        PERFORM 1 FROM coordinator_shard s WHERE s.shard = ANY (v_free) ORDER BY s.shard FOR UPDATE;
        -- pause: claim holds shards
        SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    END IF;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;

    IF v_free IS NOT NULL THEN
        UPDATE coordinator_shard s SET incarnation = p_incarnation, epoch = s.epoch + 1, written = 0
        WHERE s.shard = ANY (v_free)
            AND NOT EXISTS (SELECT FROM agent a WHERE a.incarnation = s.incarnation AND a.state = 0);
        -- pause: claim took shards
    END IF;

    RETURN QUERY
    SELECT s.shard, s.epoch, a.incarnation
    FROM coordinator_shard s
    LEFT JOIN agent a ON a.incarnation = s.incarnation AND a.state = 0
    ORDER BY s.shard;
END
$function$;
