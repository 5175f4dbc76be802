-- What background work has before it, and who does it, in one row. Jobs stand in arrays, ascending by name; a node is
-- named where a living agent has the lease.
--
-- Everything is counted exactly: what is counted is what waits, and stays small. Planned anew each time: some of the
-- tables grow and shrink.
CREATE OR REPLACE FUNCTION upkeep_status_v1()
RETURNS TABLE (
    o_waiting_segments bigint, o_waiting_bytes bigint, o_waiting_age_ms bigint, o_archived_extents bigint,
    o_archive_segments bigint, o_manifests bigint, o_manifest_bytes bigint, o_unneeded_objects bigint,
    o_topics_to_empty bigint, o_to_sweep bigint,
    o_job_name text[], o_job_node_name text[], o_job_report text[], o_job_report_age_ms bigint[]
)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $function$
DECLARE
    c_now CONSTANT timestamptz := clock_timestamp();
BEGIN
    RETURN QUERY
    SELECT w.segments, w.bytes, coalesce(floor(extract(epoch FROM c_now - w.oldest) * 1000)::bigint, 0),
           (SELECT count(*) FROM archive_extent),
           (SELECT count(*) FROM archive_segment s WHERE s.state = 0),
           m.manifests, m.bytes,
           (SELECT count(*) FROM segment s WHERE s.state = 1) + (SELECT count(*) FROM segment s WHERE s.state = 2)
               + (SELECT count(*) FROM archive_segment s WHERE s.state = 1) + (SELECT count(*) FROM unneeded_object),
           (SELECT count(*) FROM topic t WHERE t.to_empty_at IS NOT NULL),
           (SELECT count(*) FROM agent a WHERE a.state <> 0 AND a.state IN (1, 2, 3)),
           j.names, j.node_names, j.reports, j.ages_ms
    FROM (
        SELECT count(*) AS segments, coalesce(sum(s.object_bytes), 0)::bigint AS bytes,
               min(coalesce(s.committed_at, timestamptz 'epoch')) AS oldest
        FROM segment s
        WHERE s.state = 0
    ) w, (
        SELECT count(*) AS manifests, coalesce(sum(x.bytes), 0)::bigint AS bytes FROM manifest x
    ) m, (
        SELECT coalesce(array_agg(y.name ORDER BY y.name), '{}') AS names,
               coalesce(array_agg(n.node_name ORDER BY y.name), '{}') AS node_names,
               coalesce(array_agg(y.report::text ORDER BY y.name), '{}') AS reports,
               coalesce(array_agg(floor(extract(epoch FROM c_now - y.report_at) * 1000)::bigint ORDER BY y.name), '{}')
                   AS ages_ms
        FROM job y
        LEFT JOIN agent a ON a.incarnation = y.incarnation AND a.state = 0 AND y.until >= c_now
        LEFT JOIN node n ON n.node_id = a.node_id
    ) j;
END
$function$;
